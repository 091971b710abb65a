#include "load/text_table.h"

#include <algorithm>
#include <cstdio>

namespace punctual::load {

namespace {

// Characters of UTF-8 text: bytes that do not continue one.
std::size_t Width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; }));
}

std::string Rule(const std::vector<std::size_t>& widths, const char* left, const char* middle, const char* right) {
  std::string line = left;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    if (i > 0) line += middle;
    for (std::size_t n = 0; n < widths[i] + 2; ++n) line += "─";
  }
  return line + right + "\n";
}

}  // namespace

std::string TextTable::Text() const {
  std::vector<std::size_t> widths(rows_[0].size());
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], Width(row[i]));
  std::string text = Rule(widths, "┌", "┬", "┐");
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const std::string pad(widths[i] - Width(rows_[r][i]), ' ');
      text += i == 0 ? "│ " + rows_[r][i] + pad : " │ " + pad + rows_[r][i];
    }
    text += " │\n";
    if (r == 0) text += Rule(widths, "├", "┼", "┤");
  }
  return text + Rule(widths, "└", "┴", "┘");
}

std::string Grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

std::string Fixed(double number, int digits) {
  char text[64];
  const int size = std::snprintf(text, sizeof text, "%.*f", digits, number);
  return {text, static_cast<std::size_t>(std::clamp(size, 0, 63))};
}

}  // namespace punctual::load
