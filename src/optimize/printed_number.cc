#include "optimize/printed_number.h"

#include <array>
#include <cstdio>

namespace punctual::optimize {

std::string Printed(double number, const char* format) {
  std::array<char, 64> text;
  std::snprintf(text.data(), text.size(), format, number);
  return text.data();
}

std::string MicrosecondsText(double us) { return Printed(us, us < 999.5 ? "%.3g" : "%.0f"); }

std::string PercentText(const Estimate& share) {
  return Printed(100 * share.value, "%.2f") + " % (" + Printed(100 * share.low, "%.2f") + " to " +
         Printed(100 * share.high, "%.2f") + ")";
}

}  // namespace punctual::optimize
