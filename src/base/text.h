// Texts of others in our messages.
#pragma once

#include <string_view>

namespace punctual {

// The first `max_bytes` of a UTF-8 text at most, cut between characters.
inline std::string_view CutText(std::string_view text, std::size_t max_bytes) {
  if (text.size() <= max_bytes) return text;
  while (max_bytes > 0 && (static_cast<unsigned char>(text[max_bytes]) & 0xC0) == 0x80) --max_bytes;
  return text.substr(0, max_bytes);
}

}  // namespace punctual
