#include <algorithm>
#include <map>
#include <utility>

#include "backend/native/operators/operator.h"
#include "backend/native/passes/passes.h"
#include "backend/native/passes/rewriting.h"

namespace punctual::native {

namespace {

// Goes through the nodes in order and leaves Transposes out until something needs what they give: meanwhile a value
// that is Transpose(source, perm) of another is known as that, and what can be computed from the source is.
class Pusher {
 public:
  explicit Pusher(Graph& graph) : graph_(graph) {}

  void Run() {
    for (Node& node : graph_.nodes) {
      const bool is_done =
          Transpose(node) || Elementwise(node) || Concat(node) || Axes(node) || Gather(node) || Slice(node);
      if (is_done) continue;
      for (ValueId& input : node.inputs)
        if (input != kNoValue) input = Plain(input);
      nodes_.push_back(std::move(node));
    }
    for (const ValueId output : graph_.outputs) {
      const auto turned = turned_.find(output);
      if (turned != turned_.end()) Append(turned->second, output);
    }
    graph_.nodes = std::move(nodes_);
  }

 private:
  struct Turned {
    ValueId source;
    Permutation perm;
    auto operator<=>(const Turned&) const = default;
  };

  const Dims& dims(ValueId id) const { return graph_.values[id].dims; }

  ValueId Like(ValueId id, Dims dims) {
    return graph_.Add({graph_.values[id].name + ".turned", graph_.values[id].type, std::move(dims), nullptr});
  }

  // A new value that `id` is a Transpose of by `perm`.
  ValueId SourceOf(ValueId id, const Permutation& perm) {
    const ValueId source = Like(id, Permuted(dims(id), Inverse(perm)));
    turned_[id] = {source, perm};
    return source;
  }

  // A node that gives `to` the numbers of what it is.
  void Append(const Turned& turned, ValueId to) {
    if (MovesNothing(dims(turned.source), turned.perm)) return AppendReshape(graph_, turned.source, to, nodes_);
    Node node = NewNode("Transpose", graph_.values[to].name, {turned.source}, {to});
    node.attributes["perm"] = turned.perm;
    nodes_.push_back(std::move(node));
  }

  // Transpose(source, perm) as a value that a node computes, once.
  ValueId Made(const Turned& turned) {
    if (IsIdentity(turned.perm)) return turned.source;
    const auto [made, is_new] = made_.try_emplace(turned, kNoValue);
    if (is_new) {
      made->second = Like(turned.source, Permuted(dims(turned.source), turned.perm));
      Append(turned, made->second);
    }
    return made->second;
  }

  ValueId Plain(ValueId id) {
    const auto turned = turned_.find(id);
    return turned == turned_.end() ? id : Made(turned->second);
  }

  // A value that `id` is a Transpose of by `perm`, whatever it takes.
  ValueId Unturned(ValueId id, const Permutation& perm) {
    if (const auto turned = turned_.find(id); turned != turned_.end()) {
      // T(T(source, own), inverse of perm).
      const Permutation& own = turned->second.perm;
      Permutation both;
      for (const std::int64_t i : Inverse(perm)) both.push_back(own[static_cast<std::size_t>(i)]);
      return Made({turned->second.source, both});
    }
    const auto& constant = graph_.values[id].constant;
    if (constant == nullptr) return Made({id, Inverse(perm)});
    auto permuted = Permuted(*constant, Inverse(perm));
    return AddConstant(graph_, graph_.values[id].name + ".turned", std::move(permuted));
  }

  // How the first input that is a Transpose is turned; null: none of that rank is.
  const Permutation* FirstTurned(const Node& node, std::size_t rank) const {
    for (const ValueId input : node.inputs) {
      if (input == kNoValue) continue;
      const auto turned = turned_.find(input);
      if (turned != turned_.end() && turned->second.perm.size() == rank) return &turned->second.perm;
    }
    return nullptr;
  }

  bool Transpose(const Node& node) {
    if (!Is(node, "Transpose")) return false;
    const ValueId x = node.inputs[0];
    Permutation perm;
    if (const auto* const given = node.Ints("perm"); given != nullptr)
      for (const std::int64_t axis : *given)
        perm.push_back(axis < 0 ? axis + static_cast<std::int64_t>(given->size()) : axis);
    else
      for (std::size_t i = dims(x).size(); i-- > 0;) perm.push_back(static_cast<std::int64_t>(i));
    Turned turned{x, perm};
    if (const auto before = turned_.find(x); before != turned_.end()) {
      turned.source = before->second.source;
      for (std::int64_t& axis : turned.perm) axis = before->second.perm[static_cast<std::size_t>(axis)];
    }
    turned_[node.outputs[0]] = std::move(turned);
    return true;
  }

  bool Elementwise(Node& node) {
    if (!IsElementwise(node) && !(IsCoding(node) && IsSingle(node.inputs[1]))) return false;
    const std::size_t rank = dims(node.outputs[0]).size();
    const Permutation* const first = FirstTurned(node, rank);
    if (first == nullptr) return false;
    const Permutation perm = *first;
    // Others may be single numbers, or constants and values that can be turned as well.
    for (const ValueId input : node.inputs) {
      if (input == kNoValue || IsSingle(input) || dims(input).size() == rank) continue;
      if (graph_.values[input].constant == nullptr) return false;
    }
    for (ValueId& input : node.inputs) {
      if (input == kNoValue) continue;
      if (IsSingle(input) && dims(input).size() < rank) {
        input = Plain(input);
        continue;
      }
      input = Unturned(OfRank(input, rank), perm);
    }
    node.outputs[0] = SourceOf(node.outputs[0], perm);
    nodes_.push_back(std::move(node));
    return true;
  }

  bool IsSingle(ValueId id) const { return CountOf(dims(id)) == 1; }

  // A constant with ones before its dimensions.
  ValueId OfRank(ValueId id, std::size_t rank) {
    if (dims(id).size() == rank) return id;
    const auto constant = graph_.values[id].constant;
    Dims longer(rank - constant->dims().size(), 1);
    longer.insert(longer.end(), constant->dims().begin(), constant->dims().end());
    auto same = std::make_shared<Constant>(constant->type(), std::move(longer));
    std::copy(constant->bytes().begin(), constant->bytes().end(), same->mutable_bytes().begin());
    return AddConstant(graph_, graph_.values[id].name, std::move(same));
  }

  static std::int64_t FromEnd(std::int64_t axis, std::size_t rank) {
    return axis < 0 ? axis + static_cast<std::int64_t>(rank) : axis;
  }

  bool Concat(Node& node) {
    if (!Is(node, "Concat")) return false;
    const std::size_t rank = dims(node.outputs[0]).size();
    const Permutation* const first = FirstTurned(node, rank);
    if (first == nullptr) return false;
    const Permutation perm = *first;
    for (ValueId& input : node.inputs) input = Unturned(input, perm);
    node.attributes["axis"] = perm[static_cast<std::size_t>(FromEnd(node.Int("axis", 0), rank))];
    node.outputs[0] = SourceOf(node.outputs[0], perm);
    nodes_.push_back(std::move(node));
    return true;
  }

  // Squeeze and Unsqueeze: they give dimensions of one place another place, and the rest the same order.
  bool Axes(Node& node) {
    const bool is_squeeze = Is(node, "Squeeze");
    if (!is_squeeze && !Is(node, "Unsqueeze")) return false;
    const auto turned = turned_.find(node.inputs[0]);
    std::vector<std::int64_t> axes;
    const ValueId y = node.outputs[0];
    const std::size_t rank = is_squeeze ? dims(node.inputs[0]).size() : dims(y).size();
    if (turned == turned_.end() || !AxesOf(graph_, node, rank, axes)) return false;
    const ValueId source = turned->second.source;
    const Permutation perm = turned->second.perm;
    Permutation after;
    if (is_squeeze) {
      std::vector<bool> goes(perm.size(), false);
      for (const std::int64_t axis : axes) goes[static_cast<std::size_t>(perm[static_cast<std::size_t>(axis)])] = true;
      for (const std::int64_t axis : perm)
        if (!goes[static_cast<std::size_t>(axis)])
          after.push_back(axis - std::count(goes.begin(), goes.begin() + axis, true));
    } else {
      // The new dimensions stand last in the source.
      std::size_t from = 0, added = 0;
      for (std::size_t i = 0; i < rank; ++i) {
        const bool is_new = std::binary_search(axes.begin(), axes.end(), static_cast<std::int64_t>(i));
        after.push_back(is_new ? static_cast<std::int64_t>(perm.size() + added++) : perm[from++]);
      }
    }
    AppendReshape(graph_, source, SourceOf(y, after), nodes_);
    return true;
  }

  bool Gather(Node& node) {
    if (!Is(node, "Gather")) return false;
    const auto turned = turned_.find(node.inputs[0]);
    if (turned == turned_.end() || dims(node.inputs[1]).size() > 1 || turned_.contains(node.inputs[1])) return false;
    const Permutation perm = turned->second.perm;
    const std::int64_t axis = perm[static_cast<std::size_t>(FromEnd(node.Int("axis", 0), perm.size()))];
    Permutation after = perm;
    if (dims(node.inputs[1]).empty()) {
      std::erase(after, axis);
      for (std::int64_t& other : after) other -= other > axis ? 1 : 0;
    }
    node.inputs[0] = turned->second.source;
    node.attributes["axis"] = axis;
    node.outputs[0] = SourceOf(node.outputs[0], after);
    nodes_.push_back(std::move(node));
    return true;
  }

  // With its axes in an input (since opset 10).
  bool Slice(Node& node) {
    if (!Is(node, "Slice") || node.opset < 10) return false;
    const auto turned = turned_.find(node.inputs[0]);
    if (turned == turned_.end()) return false;
    const Permutation perm = turned->second.perm;
    std::vector<std::int64_t> axes;
    if (const ValueId given = node.input(3); given != kNoValue) {
      const auto& constant = graph_.values[given].constant;
      if (constant == nullptr || constant->type() != ElementType::kInt64) return false;
      for (const std::int64_t axis : constant->values<std::int64_t>())
        axes.push_back(perm[static_cast<std::size_t>(FromEnd(axis, perm.size()))]);
    } else {
      axes.assign(perm.begin(), perm.begin() + dims(node.inputs[1])[0]);
    }
    // Starts and ends need not be int64.
    const auto& starts = graph_.values[node.inputs[1]];
    if (starts.type != ElementType::kInt64) return false;
    node.inputs.resize(std::max<std::size_t>(node.inputs.size(), 4), kNoValue);
    node.inputs[3] = AddConstant(graph_, node.name + ".axes", IntsOf(axes));
    node.inputs[0] = turned_.at(node.inputs[0]).source;
    node.outputs[0] = SourceOf(node.outputs[0], perm);
    nodes_.push_back(std::move(node));
    return true;
  }

  Graph& graph_;
  std::vector<Node> nodes_;
  std::map<ValueId, Turned> turned_;
  std::map<Turned, ValueId> made_;
};

}  // namespace

void PushTransposes(Graph& graph) {
  if (FindOperator("", "Transpose", 13) != nullptr && FindOperator("", "Reshape", 13) != nullptr) Pusher(graph).Run();
}

}  // namespace punctual::native
