#include "backend/native/operators/dense_step.h"

#include <string>

#include "backend/native/operators/operator.h"

namespace punctual::native {

ActivationWith ActivationOf(const Node& node, std::string_view attribute) {
  return {static_cast<Activation>(node.Int(attribute, 0)), node.Float(std::string(attribute) + "_alpha", 0)};
}

void SetActivation(Node& node, std::string_view attribute, ActivationWith activation) {
  node.attributes[std::string(attribute)] = static_cast<std::int64_t>(activation.kind);
  node.attributes[std::string(attribute) + "_alpha"] = activation.alpha;
}

std::optional<ActivationWith> ActivationOf(const Node& node) {
  const std::string_view type = node.op->type;
  if (!node.op->domain.empty()) return std::nullopt;
  if (type == "Relu") return ActivationWith{Activation::kRelu};
  if (type == "LeakyRelu") return ActivationWith{Activation::kLeakyRelu, node.Float("alpha", 0.01f)};
  if (type == "Elu") return ActivationWith{Activation::kElu, node.Float("alpha", 1)};
  if (type == "Sigmoid") return ActivationWith{Activation::kSigmoid};
  if (type == "Tanh") return ActivationWith{Activation::kTanh};
  if (type == "Gelu")
    return ActivationWith{node.String("approximate", "none") == "tanh" ? Activation::kGeluTanh : Activation::kGelu};
  return std::nullopt;
}

void DenseStep::Run(std::byte* arena) const {
  const Parts& p = parts_;
  const std::size_t stride = p.shape.taps * p.shape.channels;
  RunDense(p.shape, p.rows, p.packed, {p.in.In<float>(arena), p.offsets, p.zeros, stride, 0, p.has_many_zeros},
           {p.out.Out<float>(arena), p.shape.outputs, p.first,
            p.residual.has_value() ? p.residual->In<float>(arena) : nullptr, p.residual_stride, p.second});
}

}  // namespace punctual::native
