#include "backend/native/passes/quantized_codes.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>
#include <utility>

#include "backend/native/operators/quantization.h"
#include "backend/native/passes/quantized_constants.h"

namespace punctual::native::quantized {

namespace {

// Its one output has numbers of its first input, whatever they are.
bool Arranges(const Node& node) {
  static constexpr std::array<std::string_view, 9> kTypes{"Reshape",  "Flatten", "Squeeze", "Unsqueeze", "Transpose",
                                                          "Identity", "Slice",   "Gather",  "Expand"};
  return std::any_of(kTypes.begin(), kTypes.end(), [&](std::string_view type) { return Is(node, type); });
}

bool AreSame(const LinearCodes& a, const LinearCodes& b) {
  return a.is_per_tensor() && b.is_per_tensor() && a.type == b.type && a.scales == b.scales &&
         a.zero_points == b.zero_points;
}

class Mover {
 public:
  explicit Mover(Graph& graph) : graph_(graph), made_by_(graph.values.size(), SIZE_MAX), same_as_(graph.values.size()) {
    std::iota(same_as_.begin(), same_as_.end(), ValueId{0});
  }

  void Move() {
    std::vector<Node> nodes = std::move(graph_.nodes);
    for (Node& node : nodes) {
      for (ValueId& input : node.inputs)
        if (input != kNoValue) input = same_as_[input];
      const Node* const dequantize = Dequantize(node.input(0));
      if (dequantize != nullptr && Arranges(node)) {
        MoveUp(node, Node(*dequantize));
      } else if (dequantize != nullptr && Is(node, "QuantizeLinear") && !graph_.IsOutput(node.outputs[0]) &&
                 AreSame(LinearCodesOf(graph_, node), LinearCodesOf(graph_, *dequantize))) {
        same_as_[node.outputs[0]] = dequantize->inputs[0];
      } else {
        Append(std::move(node));
      }
    }
    graph_.nodes = std::move(nodes_);
  }

 private:
  // The DequantizeLinear that makes the value from codes that are not constant, with one scale.
  const Node* Dequantize(ValueId id) const {
    if (id == kNoValue || made_by_[id] == SIZE_MAX) return nullptr;
    const Node& node = nodes_[made_by_[id]];
    const bool is_it = Is(node, "DequantizeLinear") && graph_.values[node.inputs[0]].constant == nullptr &&
                       graph_.values[id].constant == nullptr && LinearCodesOf(graph_, node).is_per_tensor();
    return is_it ? &node : nullptr;
  }

  void MoveUp(Node& node, Node dequantize) {
    const ValueId numbers = node.outputs[0];
    const Value& codes = graph_.values[dequantize.inputs[0]];
    const ValueId arranged =
        graph_.Add({codes.name + "/" + node.name, codes.type, Dims(graph_.values[numbers].dims), nullptr});
    made_by_.push_back(SIZE_MAX);
    same_as_.push_back(arranged);
    node.inputs[0] = dequantize.inputs[0];
    node.outputs[0] = arranged;
    dequantize.inputs[0] = arranged;
    dequantize.outputs[0] = numbers;
    Append(std::move(node));
    Append(std::move(dequantize));
  }

  void Append(Node node) {
    for (const ValueId output : node.outputs)
      if (output != kNoValue) made_by_[output] = nodes_.size();
    nodes_.push_back(std::move(node));
  }

  Graph& graph_;
  std::vector<Node> nodes_;
  std::vector<std::size_t> made_by_;  // by value, in nodes_
  std::vector<ValueId> same_as_;
};

void ShiftZeroPoint(Graph& graph, Node& node) {
  const LinearCodes codes = LinearCodesOf(graph, node);
  std::vector<std::uint8_t> shifted;
  for (const std::int32_t zero_point : codes.zero_points)
    shifted.push_back(static_cast<std::uint8_t>(zero_point + 128));
  Dims dims = graph.values[node.inputs[1]].dims;  // the scale's
  node.inputs.resize(3, kNoValue);
  node.inputs[2] = AddConstant(graph, node.name + "/unsigned_zero_point", std::move(dims), shifted);
}

// `codes` and what is arranged of them, if they are int8 and nobody looks at any of it but DequantizeLinear and what
// arranges it; otherwise nothing.
std::vector<ValueId> CodesThatMayChange(const Graph& graph, const std::vector<std::vector<std::size_t>>& readers,
                                        ValueId codes) {
  std::vector<ValueId> all{codes};
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Value& value = graph.values[all[i]];
    if (value.type != ElementType::kInt8 || value.constant != nullptr || graph.IsOutput(all[i])) return {};
    for (const std::size_t reader : readers[all[i]]) {
      const Node& node = graph.nodes[reader];
      const bool arranges = Arranges(node);
      if (node.inputs[0] != all[i] || (!arranges && !Is(node, "DequantizeLinear"))) return {};
      if (arranges) all.push_back(node.outputs[0]);
    }
  }
  return all;
}

}  // namespace

void MoveCodes(Graph& graph) { Mover(graph).Move(); }

void MakeCodesUnsigned(Graph& graph) {
  const auto readers = graph.Readers();
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!Is(graph.nodes[i], "QuantizeLinear")) continue;
    const auto codes = CodesThatMayChange(graph, readers, graph.nodes[i].outputs[0]);
    if (codes.empty()) continue;
    ShiftZeroPoint(graph, graph.nodes[i]);
    for (const ValueId id : codes)
      for (const std::size_t reader : readers[id])
        if (Is(graph.nodes[reader], "DequantizeLinear")) ShiftZeroPoint(graph, graph.nodes[reader]);
    // Last: the zero points were read as int8.
    for (const ValueId id : codes) graph.values[id].type = ElementType::kUint8;
  }
}

}  // namespace punctual::native::quantized
