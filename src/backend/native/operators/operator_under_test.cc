#include "backend/native/operators/operator_under_test.h"

#include <cstring>
#include <string>

#include "backend/native/graph/infer.h"
#include "backend/native/operators/operator.h"
#include "backend/native/plan/plan.h"

namespace punctual::native::test {

Result<std::vector<Given>> OperatorUnderTest::Run(const std::vector<Given>& inputs) const {
  Graph graph;
  Node node;
  node.op = FindOperator(domain, type, opset);
  if (node.op == nullptr) return Fail(Code::kFailedPrecondition, "no operator " + std::string(type));
  node.name = "node";
  node.opset = opset;
  node.attributes = attributes;
  std::vector<const Constant*> fed;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i] == nullptr) {
      node.inputs.push_back(kNoValue);
      continue;
    }
    Value value{"input" + std::to_string(i), inputs[i]->type(), inputs[i]->dims(), nullptr};
    const bool known = i < is_constant.size() && is_constant[i];
    if (known) value.constant = inputs[i];
    node.inputs.push_back(graph.Add(std::move(value)));
    if (known) continue;
    graph.inputs.push_back(node.inputs.back());
    fed.push_back(inputs[i].get());
  }
  for (std::size_t i = 0; i < outputs; ++i) {
    node.outputs.push_back(graph.Add({"output" + std::to_string(i), ElementType::kFloat32, {}, nullptr}));
    graph.outputs.push_back(node.outputs.back());
  }
  const Limits limits;
  PUNCTUAL_TRY(InferNode(graph, node, limits));
  graph.nodes.push_back(std::move(node));
  PUNCTUAL_ASSIGN(const auto plan, Plan::Make(std::move(graph)));
  Arena arena(plan->arena_bytes());
  // Room that is given away holds numbers of others when a step runs: not zeros.
  std::memset(arena.data(), 0x7f, plan->arena_bytes());
  for (std::size_t i = 0; i < fed.size(); ++i)
    if (!fed[i]->bytes().empty())
      std::memcpy(plan->input(i, arena).data(), fed[i]->bytes().data(), fed[i]->bytes().size());
  plan->Run(arena);
  std::vector<Given> computed;
  for (std::size_t i = 0; i < outputs; ++i) {
    const Value& value = plan->graph().values[plan->graph().outputs[i]];
    auto constant = std::make_shared<Constant>(value.type, value.dims);
    const auto bytes = plan->output(i, arena);
    if (!bytes.empty()) std::memcpy(constant->mutable_bytes().data(), bytes.data(), bytes.size());
    computed.push_back(std::move(constant));
  }
  return computed;
}

}  // namespace punctual::native::test
