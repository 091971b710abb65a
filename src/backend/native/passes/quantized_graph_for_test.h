// For tests of the passes over quantised graphs: such graphs, and operators between their codes that are as plain as
// can be.
#pragma once

#include <algorithm>
#include <cstring>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backend/native/operators/operator.h"
#include "backend/native/passes/passes.h"
#include "backend/native/plan/plan.h"
#include "backend/native/plan/plan_builder.h"

namespace punctual::native::test {

// What is between codes, in float as a straightforward backend would have it; sums in double.
class Plain final : public Step {
 public:
  Plain(const Node& node, PlanBuilder& builder) : type_(node.op->type), trans_b_(node.Int("transB", 0) != 0) {
    for (const ValueId input : node.inputs) {
      inputs_.push_back(builder.OperandOf(input));
      dims_.push_back(builder.value(input).dims);
    }
    output_ = builder.OperandOf(node.outputs[0]);
    count_ = CountOf(builder.value(node.outputs[0]).dims);
    columns_ = static_cast<std::size_t>(builder.value(node.outputs[0]).dims.back());
  }
  void Run(std::byte* arena) const override {
    const float* const x = inputs_[0].In<float>(arena);
    const auto input = [&](std::size_t i) { return i < inputs_.size() ? inputs_[i].In<float>(arena) : nullptr; };
    float* const y = output_.Out<float>(arena);
    for (std::size_t i = 0; i < count_; ++i) {
      if (type_ == "Relu") y[i] = std::max(x[i], 0.0f);
      if (type_ == "LeakyRelu") y[i] = x[i] < 0 ? x[i] * 0.1f : x[i];
      if (type_ == "Clip") y[i] = std::min(std::max(x[i], *input(1)), *input(2));
      if (type_ == "Add") y[i] = x[i] + input(1)[i % CountOf(dims_[1])];
      if (type_ == "Transpose") y[i] = x[i % columns_ * static_cast<std::size_t>(dims_[0][1]) + i / columns_];
      if (type_ == "Conv") y[i] = Convolved(i, x, input(1), input(2));
      if (type_ != "Gemm" && type_ != "MatMul") continue;
      const std::size_t row = i / columns_, column = i % columns_;
      const auto depth = static_cast<std::size_t>(dims_[0].back());
      double sum = input(2) == nullptr ? 0 : input(2)[column];
      for (std::size_t k = 0; k < depth; ++k)
        sum += double{x[row * depth + k]} * input(1)[trans_b_ ? column * depth + k : k * columns_ + column];
      y[i] = static_cast<float>(sum);
    }
  }

 private:
  // Along one axis, with as many places before as the kernel reaches back.
  float Convolved(std::size_t i, const float* x, const float* weights, const float* bias) const {
    const auto depth = static_cast<std::size_t>(dims_[0][1]), places = static_cast<std::size_t>(dims_[0][2]);
    const std::size_t channels = CountOf(dims_[2]), kernel = static_cast<std::size_t>(dims_[1][2]);
    const std::size_t batch = i / places / channels, channel = i / places % channels, place = i % places;
    double sum = bias[channel];
    for (std::size_t k = 0; k < depth; ++k)
      for (std::size_t tap = 0; tap < kernel; ++tap)
        if (place + tap + 1 >= kernel)
          sum += double{weights[(channel * depth + k) * kernel + tap]} *
                 x[(batch * depth + k) * places + place + tap + 1 - kernel];
    return static_cast<float>(sum);
  }

  std::string type_;
  bool trans_b_;
  std::vector<Operand> inputs_;
  std::vector<Dims> dims_;
  Operand output_;
  std::size_t count_ = 0, columns_ = 0;
};

inline Result<void> LowerPlain(const Node& node, PlanBuilder& builder) {
  builder.Add<Plain>(node, node, builder);
  return {};
}

// The operators that Plain computes; null: another one.
inline const Operator* PlainOf(std::string_view type) {
  static const std::vector<Operator> all = [] {
    std::vector<Operator> operators;
    for (const char* const name : {"Gemm", "MatMul", "Add", "Relu", "LeakyRelu", "Conv", "Clip", "Transpose"}) {
      operators.push_back(*FindOperator("", name, 13));
      operators.back().lower = LowerPlain;
    }
    return operators;
  }();
  for (const Operator& op : all)
    if (op.type == type) return &op;
  return nullptr;
}

struct QuantizedGraph {
  explicit QuantizedGraph(unsigned seed) : random(seed) {}

  float Any(float low, float high) { return std::uniform_real_distribution<float>(low, high)(random); }
  int AnyInt(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); }

  template <class T>
  ValueId Constant(Dims dims, const std::vector<T>& values) {
    auto constant = std::make_shared<native::Constant>(kElementType<T>, dims);
    std::copy(values.begin(), values.end(), constant->template mutable_values<T>().begin());
    return graph.Add({"c" + std::to_string(graph.values.size()), kElementType<T>, std::move(dims), constant});
  }
  ValueId Apply(std::string_view type, std::vector<ValueId> inputs, Dims dims, Attributes attributes = {}) {
    const ValueId output =
        graph.Add({std::string(type) + std::to_string(graph.values.size()), ElementType::kFloat32, dims, nullptr});
    Node& node = graph.nodes.emplace_back();
    const Operator* const plain = PlainOf(type);
    node.op = plain != nullptr ? plain : FindOperator("", type, 13);
    node.name = type;
    node.opset = 13;
    node.attributes = std::move(attributes);
    node.inputs = std::move(inputs);
    node.outputs = {output};
    if (type == "QuantizeLinear") graph.values[output].type = graph.values[node.inputs[2]].type;
    return output;
  }
  ValueId Quantize(ValueId x, float scale, int zero_point, bool is_signed) {
    const ValueId zero = is_signed ? Constant<std::int8_t>({}, {static_cast<std::int8_t>(zero_point - 128)})
                                   : Constant<std::uint8_t>({}, {static_cast<std::uint8_t>(zero_point)});
    const Dims dims = graph.values[x].dims;
    return Apply("QuantizeLinear", {x, Constant<float>({}, {scale}), zero}, dims);
  }
  ValueId Dequantize(ValueId codes) {
    for (const Node& node : graph.nodes)
      if (node.outputs[0] == codes)
        return Apply("DequantizeLinear", {codes, node.inputs[1], node.inputs[2]}, Dims(graph.values[codes].dims));
    return kNoValue;
  }
  // Weights [rows, columns] of codes, a scale each index of `axis`.
  ValueId Weights(std::int64_t rows, std::int64_t columns, std::int64_t axis, int range) {
    std::vector<std::int8_t> codes;
    for (std::int64_t i = 0; i < rows * columns; ++i) codes.push_back(static_cast<std::int8_t>(AnyInt(-range, range)));
    std::vector<float> scales;
    for (std::int64_t i = 0; i < (axis == 0 ? rows : columns); ++i) scales.push_back(Any(0.001f, 0.004f));
    const auto count = static_cast<std::int64_t>(scales.size());
    weight_scales = scales;
    return Apply("DequantizeLinear", {Constant<std::int8_t>({rows, columns}, codes), Constant<float>({count}, scales)},
                 {rows, columns}, {{"axis", axis}});
  }
  ValueId Bias(std::int64_t channels, float x_scale) {
    std::vector<std::int32_t> codes;
    std::vector<float> scales;
    for (std::int64_t i = 0; i < channels; ++i) {
      codes.push_back(AnyInt(-3000, 3000));
      scales.push_back(x_scale * weight_scales[static_cast<std::size_t>(i)]);
    }
    return Apply("DequantizeLinear", {Constant<std::int32_t>({channels}, codes), Constant<float>({channels}, scales)},
                 {channels}, {{"axis", std::int64_t{0}}});
  }
  ValueId FloatBias(std::int64_t channels) {
    std::vector<float> values;
    for (std::int64_t i = 0; i < channels; ++i) values.push_back(Any(-1, 1));
    return Constant<float>({channels}, values);
  }

  std::multiset<std::string> Types() const {
    std::multiset<std::string> types;
    for (const Node& node : graph.nodes) types.emplace(node.op->type);
    return types;
  }

  std::mt19937 random;
  Graph graph;
  std::vector<float> weight_scales;
};

inline std::vector<std::byte> Compute(Graph graph, const std::vector<float>& x) {
  const auto plan = Plan::Make(std::move(graph)).value();
  Arena arena(plan->arena_bytes());
  std::memcpy(plan->input(0, arena).data(), x.data(), x.size() * sizeof(float));
  plan->Run(arena);
  const auto output = plan->output(0, arena);
  return {output.begin(), output.end()};
}

inline std::vector<float> Inputs(std::size_t count) {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> any(-3, 3);
  std::vector<float> x(count);
  for (float& number : x) number = any(random);
  return x;
}

}  // namespace punctual::native::test
