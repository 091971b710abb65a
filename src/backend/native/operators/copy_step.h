// A step that copies boxes of elements from values to values.
#pragma once

#include <utility>
#include <vector>

#include "backend/native/kernels/strided_copy.h"
#include "backend/native/plan/step.h"

namespace punctual::native {

class CopyStep final : public Step {
 public:
  struct Part {
    Operand from, to;
    StridedCopy copy;
  };
  explicit CopyStep(std::vector<Part> parts) : parts_(std::move(parts)) {}
  void Run(std::byte* arena) const override {
    for (const Part& part : parts_) part.copy.Run(part.from.In<std::byte>(arena), part.to.Out<std::byte>(arena));
  }

 private:
  std::vector<Part> parts_;
};

}  // namespace punctual::native
