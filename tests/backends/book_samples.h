// Questions for the shipped models: of recorded order books where there are any (../shared/data/lob10), else of the
// simulator's.
#pragma once

#include <cstddef>
#include <string>

#include "optimize/samples.h"

namespace punctual::test {

struct ShippedModel {
  std::string onnx;             // the file's bytes
  optimize::Samples questions;  // in the order of time, one symbol
};

// models/NAME, version 1, and `count` questions, evenly taken from the books. Ends the test program where files of the
// source tree are not as they should be.
ShippedModel LoadShippedModel(const std::string& name, std::size_t count);

}  // namespace punctual::test
