// Texts of others: taken apart, and in our messages.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace punctual {

// The first `max_bytes` of a UTF-8 text at most, cut between characters.
inline std::string_view CutText(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  while (max_bytes > 0 && (static_cast<unsigned char>(text[max_bytes]) & 0xC0) == 0x80) --max_bytes;
  return text.substr(0, max_bytes);
}

// In quotes, cut to `max_bytes` and printable whatever the text holds: what is not ASCII is "?".
inline std::string QuotedText(std::string_view text, std::size_t max_bytes = 32) {
  std::string quoted = "\"";
  for (const char c : text.substr(0, max_bytes)) quoted += c >= ' ' && c <= '~' ? c : '?';
  return quoted + (text.size() > max_bytes ? "...\"" : "\"");
}

// The fields of a line of CSV without quotes: one at least. They refer to the line.
inline std::vector<std::string_view> SplitAtCommas(std::string_view line) {
  std::vector<std::string_view> fields;
  for (;;) {
    const std::size_t comma = line.find(',');
    fields.push_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return fields;
    line.remove_prefix(comma + 1);
  }
}

}  // namespace punctual
