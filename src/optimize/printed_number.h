// Numbers in sentences and tables.
#pragma once

#include <string>

#include "optimize/block_bootstrap.h"

namespace punctual::optimize {

// As printf's `format` says of one double: "%.2f". At most 63 characters.
std::string Printed(double number, const char* format);

// Three digits; an exponent only below 0.0001: "0.24", "374", "4012".
std::string MicrosecondsText(double us);

// A share with its interval: "99.45 % (99.12 to 99.70)".
std::string PercentText(const Estimate& share);

}  // namespace punctual::optimize
