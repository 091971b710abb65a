// What a recheck found, for programs.
#pragma once

#include <string>
#include <vector>

#include "optimize/recheck.h"

namespace punctual::optimize {

// A model that could not be looked at.
struct NotRechecked {
  LiveModel model;
  std::string error;
};

struct RecheckReport {
  std::vector<Recheck> models;
  std::vector<NotRechecked> not_rechecked;
};

// Nothing that serves in a model's place has failed, or was not looked at; and something was looked at.
bool Passed(const RecheckReport& report);
// {"passed": ..., "models": [...], "not_rechecked": [...]}; docs/optimize.md says the fields.
std::string RecheckJson(const RecheckReport& report);

}  // namespace punctual::optimize
