// punctual optimize --from-server: are the live variants still as good as when they were let in?
#pragma once

#include <string>

#include "optimize/recheck.h"
#include "punctual/result.h"

namespace punctual {

struct FromServerOptions {
  std::string url;
  std::string model;   // the folder of the one that is looked at, and its name; empty: all, where the server says
  std::string report;  // a file for the figures; empty: none
  optimize::RecheckOptions recheck;
};

// Prints what was found. False: a variant that serves has not passed. Errors name the option.
Result<bool> OptimizeFromServer(const FromServerOptions& options);

}  // namespace punctual
