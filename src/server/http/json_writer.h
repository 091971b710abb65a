// Writing JSON into a string that the caller keeps and reuses.
#pragma once

#include <charconv>
#include <cmath>
#include <string>
#include <string_view>
#include <type_traits>

namespace punctual::http {

// In quotes, with everything escaped that must be. REQUIRES: UTF-8.
void AppendJsonText(std::string& out, std::string_view text);

// The shortest text that reads back as the same number. NaN and infinity, which JSON cannot say, become null.
template <class T>
void AppendJsonNumber(std::string& out, T number) {
  static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>);
  if constexpr (std::is_floating_point_v<T>)
    if (!std::isfinite(number)) {
      out += "null";
      return;
    }
  char text[40];
  const auto written = std::to_chars(text, text + sizeof text, number);
  out.append(text, written.ptr);
}

}  // namespace punctual::http
