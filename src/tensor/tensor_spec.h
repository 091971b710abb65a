// What an input or an output of a model is called and looks like.
#pragma once

#include <string>

#include "punctual/tensor.h"

namespace punctual {

struct TensorSpec {
  std::string name;
  DType dtype = DType::kFloat32;
  Shape shape;  // static; the batch dimension is 1
};

}  // namespace punctual
