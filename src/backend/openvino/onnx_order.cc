#include "backend/openvino/onnx_order.h"

#include <onnx/onnx_pb.h>

#include <limits>
#include <map>
#include <string>
#include <vector>

#include "base/topological_order.h"

namespace punctual {

namespace {

template <class Visit>
void ForEachInner(const onnx::NodeProto& node, Visit&& visit) {
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.has_g()) visit(attribute.g());
    for (const onnx::GraphProto& graph : attribute.graphs()) visit(graph);
  }
}

// The nodes that give what `node` reads, or what is read inside of it.
void AddNeeds(const onnx::NodeProto& node, const std::map<std::string, std::size_t>& producers,
              std::vector<std::size_t>& needs) {
  for (const std::string& input : node.input())
    if (const auto found = producers.find(input); found != producers.end()) needs.push_back(found->second);
  ForEachInner(node, [&](const onnx::GraphProto& graph) {
    for (const onnx::NodeProto& inner : graph.node()) AddNeeds(inner, producers, needs);
  });
}

Result<void> CheckGraph(const onnx::GraphProto& graph) {
  std::map<std::string, std::size_t> producers;
  const auto count = static_cast<std::size_t>(graph.node_size());
  for (std::size_t i = 0; i < count; ++i)
    for (const std::string& output : graph.node(static_cast<int>(i)).output())
      if (!output.empty()) producers[output] = i;
  std::vector<std::vector<std::size_t>> needs(count);
  for (std::size_t i = 0; i < count; ++i) AddNeeds(graph.node(static_cast<int>(i)), producers, needs[i]);
  std::vector<bool> has_place(count);
  for (const std::size_t i : OrderOf(needs)) has_place[i] = true;
  for (std::size_t i = 0; i < count; ++i) {
    const onnx::NodeProto& node = graph.node(static_cast<int>(i));
    if (!has_place[i])
      return Fail(Code::kInvalidArgument,
                  node.op_type() + " \"" + node.name() + "\" waits for itself: the nodes form a circle");
    Result<void> inner;
    ForEachInner(node, [&](const onnx::GraphProto& body) {
      if (inner.has_value()) inner = CheckGraph(body);
    });
    PUNCTUAL_TRY(inner);
  }
  return {};
}

}  // namespace

Result<void> CheckOrder(std::string_view onnx) {
  onnx::ModelProto model;
  if (onnx.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !model.ParseFromArray(onnx.data(), static_cast<int>(onnx.size())))
    return {};
  return CheckGraph(model.graph());
}

}  // namespace punctual
