// The step of dense layers and convolutions, and how the operators of the passes say what follows the sums.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "backend/native/graph/graph.h"
#include "backend/native/kernels/dense.h"
#include "backend/native/plan/step.h"

namespace punctual::native {

// Of an operator of the passes: the attributes `first`, `second` hold the kind as a number, `first_alpha`,
// `second_alpha` its alpha.
ActivationWith ActivationOf(const Node& node, std::string_view attribute);
void SetActivation(Node& node, std::string_view attribute, ActivationWith activation);

// The activation that an ONNX node is; empty: none that can follow a sum.
std::optional<ActivationWith> ActivationOf(const Node& node);

// Rows times packed weights (kernels/dense.h).
class DenseStep final : public Step {
 public:
  struct Parts {
    DenseShape shape;
    std::size_t rows = 0;
    const float* packed = nullptr;
    const std::int32_t* offsets = nullptr;
    const float* zeros = nullptr;
    Operand in, out;
    std::optional<Operand> residual;
    std::size_t residual_stride = 0;
    ActivationWith first = {}, second = {};
    bool has_many_zeros = false;  // the input
  };
  explicit DenseStep(const Parts& parts) : parts_(parts) {}
  void Run(std::byte* arena) const override;

 private:
  const Parts parts_;
};

}  // namespace punctual::native
