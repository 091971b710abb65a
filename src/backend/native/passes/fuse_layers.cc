#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "backend/native/operators/dense_step.h"
#include "backend/native/operators/operator.h"
#include "backend/native/passes/passes.h"
#include "backend/native/passes/rewriting.h"

namespace punctual::native {

namespace {

// Of a layer: its inputs (Convolution and Dense have the same).
constexpr std::size_t kWeights = 1, kBias = 2, kResidual = 3;

bool IsLayer(const Node& node) { return IsInternal(node, "Convolution") || IsInternal(node, "Dense"); }

class Fuser {
 public:
  explicit Fuser(Graph& graph) : graph_(graph), readers_(graph.Readers()), gone_(graph.nodes.size(), false) {}

  void Run() {
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i)
      // The layer moves to what it takes in, where all that it reads has been computed.
      if (!gone_[i] && IsLayer(graph_.nodes[i]) && !Follow(i)) Finish(i);
    std::vector<Node> kept;
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i)
      if (!gone_[i]) kept.push_back(std::move(graph_.nodes[i]));
    graph_.nodes = std::move(kept);
    TellOfZeros();
  }

 private:
  // Half of what comes out of Relu is zero, or more.
  void TellOfZeros() {
    const auto producers = graph_.Producers();
    for (Node& node : graph_.nodes) {
      if (!IsInternal(node, "Dense")) continue;
      const std::size_t from = producers[node.inputs[0]];
      if (from != SIZE_MAX && EndsInRelu(graph_.nodes[from])) node.attributes["has_many_zeros"] = std::int64_t{1};
    }
  }
  static bool EndsInRelu(const Node& node) {
    if (Is(node, "Relu")) return true;
    if (!IsLayer(node)) return false;
    const auto second = ActivationOf(node, "second").kind;
    return second == Activation::kRelu || (second == Activation::kNone && node.input(kResidual) == kNoValue &&
                                           ActivationOf(node, "first").kind == Activation::kRelu);
  }

  // What follows a layer is gathered and becomes part of its constants at once: a file may have many factors.
  struct Gathered {
    std::vector<double> factors;  // by channel; empty: none
    std::vector<float> bias;      // empty: as it is
  };

  // Whether the layer took in the node that follows, whose place it has now.
  bool Follow(std::size_t layer) {
    const ValueId y = graph_.nodes[layer].outputs[0];
    if (graph_.IsOutput(y) || readers_[y].size() != 1) return false;
    const std::size_t reader = readers_[y][0];
    const Node& next = graph_.nodes[reader];
    Node fused = graph_.nodes[layer];
    Gathered& gathered = gathered_[layer];
    if (!FuseActivation(fused, next) && !FuseScale(fused, next, y, gathered) && !FuseResidual(fused, next, y))
      return false;
    fused.outputs = next.outputs;
    graph_.nodes[reader] = std::move(fused);
    gone_[layer] = true;
    // Its reader comes later, and the loop comes to it: it is a layer now.
    Gathered moved = std::move(gathered);
    gathered_.erase(layer);
    gathered_[reader] = std::move(moved);
    return true;
  }

  void Finish(std::size_t i) {
    const auto found = gathered_.find(i);
    if (found == gathered_.end()) return;
    Node& layer = graph_.nodes[i];
    const auto& [factors, bias] = found->second;
    if (!factors.empty()) ScaleWeights(layer, factors);
    if (!bias.empty()) {
      auto constant = std::make_shared<Constant>(ElementType::kFloat32, Dims{static_cast<std::int64_t>(bias.size())});
      std::copy(bias.begin(), bias.end(), constant->mutable_values<float>().begin());
      layer.inputs.resize(std::max(layer.inputs.size(), kBias + 1), kNoValue);
      layer.inputs[kBias] = AddConstant(graph_, layer.name + ".bias", std::move(constant));
    }
    gathered_.erase(found);
  }

  static bool HasResidual(const Node& layer) { return layer.input(kResidual) != kNoValue; }
  static bool HasFirst(const Node& layer) { return ActivationOf(layer, "first").kind != Activation::kNone; }
  static bool HasSecond(const Node& layer) { return ActivationOf(layer, "second").kind != Activation::kNone; }

  static bool FuseActivation(Node& layer, const Node& next) {
    const auto activation = ActivationOf(next);
    if (!activation.has_value() || HasSecond(layer)) return false;
    SetActivation(layer, HasFirst(layer) || HasResidual(layer) ? "second" : "first", *activation);
    return true;
  }

  // Mul, Div, Add or Sub with a constant that is a number for each output channel.
  bool FuseScale(const Node& layer, const Node& next, ValueId y, Gathered& gathered) const {
    if (HasFirst(layer) || HasResidual(layer) || HasSecond(layer)) return false;
    const bool adds = Is(next, "Add") || Is(next, "Sub");
    if (!adds && !Is(next, "Mul") && !Is(next, "Div")) return false;
    const ValueId other = next.inputs[next.inputs[0] == y ? 1 : 0];
    if (next.inputs[0] != y && (Is(next, "Sub") || Is(next, "Div"))) return false;
    const auto numbers = ByChannel(other, next.outputs[0], y);
    if (!numbers.has_value()) return false;
    std::vector<double> factors = gathered.factors;
    if (!adds && factors.empty()) factors.assign(numbers->size(), 1);
    std::vector<float> bias = gathered.bias.empty() ? BiasOf(layer, numbers->size()) : gathered.bias;
    for (std::size_t c = 0; c < bias.size(); ++c) {
      const float number = (*numbers)[c];
      if (adds) {
        bias[c] += Is(next, "Add") ? number : -number;
        continue;
      }
      bias[c] = Is(next, "Mul") ? bias[c] * number : bias[c] / number;
      factors[c] =
          Is(next, "Mul") ? factors[c] * static_cast<double>(number) : factors[c] / static_cast<double>(number);
      // Infinite weights would make NaN of zeros.
      if (!std::isfinite(static_cast<float>(factors[c]))) return false;
    }
    gathered = {std::move(factors), std::move(bias)};
    return true;
  }

  // A constant's number for each channel of y, the last dimension; empty: it is another thing.
  std::optional<std::vector<float>> ByChannel(ValueId id, ValueId result, ValueId y) const {
    const auto& constant = graph_.values[id].constant;
    const Dims& of_y = graph_.values[y].dims;
    if (constant == nullptr || constant->type() != ElementType::kFloat32) return std::nullopt;
    if (graph_.values[result].dims != of_y) return std::nullopt;
    const auto channels = static_cast<std::size_t>(of_y.back());
    if (channels == 0) return std::nullopt;
    if (constant->count() == 1) return std::vector<float>(channels, constant->values<float>()[0]);
    if (constant->dims().back() != of_y.back() || constant->count() != channels) return std::nullopt;
    const auto values = constant->values<float>();
    return std::vector<float>(values.begin(), values.end());
  }

  std::vector<float> BiasOf(const Node& layer, std::size_t channels) const {
    const ValueId id = layer.input(kBias);
    if (id == kNoValue) return std::vector<float>(channels, 0);
    const auto values = graph_.values[id].constant->values<float>();
    return {values.begin(), values.end()};
  }

  void ScaleWeights(Node& layer, const std::vector<double>& by) {
    const auto weights = graph_.values[layer.inputs[kWeights]].constant;
    auto scaled = std::make_shared<Constant>(ElementType::kFloat32, weights->dims());
    // Output channels stand first in a Convolution's weights, last in a Dense's.
    const bool is_last = IsInternal(layer, "Dense");
    const std::size_t inner = weights->count() / by.size();
    for (std::size_t i = 0; i < weights->count(); ++i)
      scaled->mutable_values<float>()[i] = static_cast<float>(static_cast<double>(weights->values<float>()[i]) *
                                                              by[is_last ? i % by.size() : i / inner]);
    layer.inputs[kWeights] = AddConstant(graph_, layer.name + ".scaled", std::move(scaled));
  }

  bool FuseResidual(Node& layer, const Node& next, ValueId y) const {
    if (!Is(next, "Add") || HasResidual(layer) || HasSecond(layer)) return false;
    const ValueId other = next.inputs[next.inputs[0] == y ? 1 : 0];
    if (graph_.values[other].dims != graph_.values[y].dims) return false;
    layer.inputs.resize(kResidual + 1, kNoValue);
    layer.inputs[kResidual] = other;
    return true;
  }

  Graph& graph_;
  const std::vector<std::vector<std::size_t>> readers_;
  std::vector<bool> gone_;
  std::map<std::size_t, Gathered> gathered_;  // by layer, while it takes in what follows
};

}  // namespace

void FuseLayers(Graph& graph) { Fuser(graph).Run(); }

}  // namespace punctual::native
