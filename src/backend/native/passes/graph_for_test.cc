#include "backend/native/passes/graph_for_test.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <string>

#include "backend/native/graph/infer.h"
#include "backend/native/operators/operator.h"
#include "backend/native/plan/plan.h"

namespace punctual::native::test {

ValueId GraphForTest::Input(Dims dims) {
  const ValueId id =
      graph.Add({"input" + std::to_string(graph.values.size()), ElementType::kFloat32, std::move(dims), nullptr});
  graph.inputs.push_back(id);
  return id;
}

ValueId GraphForTest::Weights(Dims dims, float scale) {
  auto constant = std::make_shared<Constant>(ElementType::kFloat32, dims);
  std::normal_distribution<float> normal(0, scale);
  for (float& value : constant->mutable_values<float>()) value = normal(random_);
  return graph.Add({"weights" + std::to_string(graph.values.size()), ElementType::kFloat32, std::move(dims), constant});
}

template <class T>
ValueId GraphForTest::Numbers(Dims dims, const std::vector<T>& values) {
  auto constant = std::make_shared<Constant>(kElementType<T>, dims);
  std::copy(values.begin(), values.end(), constant->template mutable_values<T>().begin());
  return graph.Add({"constant" + std::to_string(graph.values.size()), kElementType<T>, std::move(dims), constant});
}

ValueId GraphForTest::CodedWeights(Dims dims) {
  std::vector<std::int8_t> codes(CountOf(dims));
  std::uniform_int_distribution<int> any(-100, 100);
  for (std::int8_t& code : codes) code = static_cast<std::int8_t>(any(random_));
  const ValueId id = Numbers(std::move(dims), codes);
  return Add("DequantizeLinear", {id, Numbers<float>({}, {0.005f})});
}

ValueId GraphForTest::Coded(ValueId x, float scale, std::uint8_t zero_point) {
  const ValueId scales = Numbers<float>({}, {scale}), zero_points = Numbers<std::uint8_t>({}, {zero_point});
  const ValueId codes = Add("QuantizeLinear", {x, scales, zero_points});
  return Add("DequantizeLinear", {codes, scales, zero_points});
}

ValueId GraphForTest::Ints(const std::vector<std::int64_t>& values) {
  return Numbers<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
}

ValueId GraphForTest::Scalar(std::int64_t value) { return Numbers<std::int64_t>({}, {value}); }

ValueId GraphForTest::Add(std::string_view type, std::vector<ValueId> inputs, Attributes attributes) {
  constexpr int kOpset = 17;
  const ValueId y =
      graph.Add({std::string(type) + std::to_string(graph.values.size()), ElementType::kFloat32, {}, nullptr});
  Node node;
  node.op = FindOperator("", type, kOpset);
  node.name = graph.values[y].name;
  node.opset = kOpset;
  node.attributes = std::move(attributes);
  node.inputs = std::move(inputs);
  node.outputs = {y};
  const Limits limits;
  if (const auto inferred = InferNode(graph, node, limits); inferred.has_error())
    throw std::runtime_error(inferred.error().message);
  graph.nodes.push_back(std::move(node));
  return y;
}

std::size_t GraphForTest::Count(std::string_view type) const {
  return static_cast<std::size_t>(
      std::count_if(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) { return node.op->type == type; }));
}

std::vector<float> Compute(const Graph& graph) {
  const auto plan = Plan::Make(graph).value();
  Arena arena(plan->arena_bytes());
  std::memset(arena.data(), 0x7f, plan->arena_bytes());
  std::mt19937 random(4);
  std::normal_distribution<float> normal;
  for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
    std::vector<float> values(CountOf(graph.values[graph.inputs[i]].dims));
    std::generate(values.begin(), values.end(), [&] { return normal(random); });
    std::ranges::copy(std::as_bytes(std::span(values)), plan->input(i, arena).begin());
  }
  plan->Run(arena);
  std::vector<float> all;
  for (std::size_t i = 0; i < graph.outputs.size(); ++i) {
    const auto bytes = plan->output(i, arena);
    const auto* const numbers = reinterpret_cast<const float*>(bytes.data());
    all.insert(all.end(), numbers, numbers + bytes.size() / sizeof(float));
  }
  return all;
}

}  // namespace punctual::native::test
