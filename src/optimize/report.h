// What was found, for programs (JSON) and for people (a page without anything from elsewhere). Pure; thread-safe.
#pragma once

#include <string>

#include "optimize/optimization.h"

namespace punctual::optimize {

std::string ReportJson(const Optimization& found);
// HTML, with its plots in it; light and dark as the reader's system is.
std::string ReportHtml(const Optimization& found);

}  // namespace punctual::optimize
