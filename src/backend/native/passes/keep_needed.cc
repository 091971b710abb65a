#include <algorithm>
#include <iterator>
#include <optional>

#include "backend/native/operators/operator.h"
#include "backend/native/operators/slice_ranges.h"
#include "backend/native/operators/window.h"
#include "backend/native/passes/axis_along.h"
#include "backend/native/passes/passes.h"
#include "backend/native/passes/rewriting.h"

namespace punctual::native {

namespace {

using Positions = std::vector<std::int64_t>;  // ascending, unless said otherwise

// What of a value is read: all of it, or some positions along one axis.
struct Need {
  bool is_all = false;
  std::size_t axis = 0;
  Positions positions;  // empty and not all: nothing
};

// Of a value; where more are needed, all are: the pass is for the few last steps of long windows.
constexpr std::size_t kMostPositions = std::size_t{1} << 16;
// Of all values together, as often as they are looked at: bounds time and memory whatever a file asks for.
constexpr std::size_t kMostPositionsOfAll = std::size_t{1} << 24;

// Values that nodes compute only in part are `kept_`; nodes are rewritten so that they do.
class Keeper {
 public:
  explicit Keeper(Graph& graph) : graph_(graph), needs_(graph.values.size()), kept_(graph.values.size()) {
    for (const Value& value : graph.values) whole_.push_back(value.dims);
  }

  void Run() {
    for (const ValueId output : graph_.outputs) needs_[output].is_all = true;
    for (std::size_t i = graph_.nodes.size(); i-- > 0;) Ask(graph_.nodes[i]);
    for (Node& node : graph_.nodes) {
      Rewrite(node);
      nodes_.push_back(std::move(node));
    }
    graph_.nodes = std::move(nodes_);
  }

 private:
  struct Kept {
    std::size_t axis;
    Positions positions;
  };

  // --- what is needed, from the outputs back ---

  std::int64_t Length(ValueId id, std::size_t axis) const { return whole_[id][axis]; }

  void NeedAll(ValueId id) {
    if (id != kNoValue) needs_[id] = {.is_all = true};
  }

  void NeedSome(ValueId id, std::size_t axis, const Positions& positions) {
    Need& need = needs_[id];
    if (need.is_all) return;
    if (!need.positions.empty() && need.axis != axis) return NeedAll(id);
    const std::size_t work = need.positions.size() + positions.size();
    if (work > left_) return NeedAll(id);
    left_ -= work;
    need.axis = axis;
    Positions both;
    std::set_union(need.positions.begin(), need.positions.end(), positions.begin(), positions.end(),
                   std::back_inserter(both));
    both.erase(std::unique(both.begin(), both.end()), both.end());
    need.positions = std::move(both);
    if (need.positions.size() > kMostPositions || std::ssize(need.positions) == Length(id, axis)) NeedAll(id);
  }

  // Whether they are 0, 1, ... up to the length.
  static bool IsAll(const Positions& positions, std::int64_t length) {
    if (std::ssize(positions) != length) return false;
    for (std::int64_t i = 0; i < length; ++i)
      if (positions[static_cast<std::size_t>(i)] != i) return false;
    return true;
  }

  void Ask(const Node& node) {
    // Of several outputs each is needed whole: no operator here gives part of them.
    if (node.outputs.size() == 1) {
      const Need& need = needs_[node.outputs[0]];
      if (AskWindow(node, need) || AskPicking(node, need)) return;
      if (!need.is_all && !need.positions.empty() && AskAlong(node, need)) return;
      if (!need.is_all && need.positions.empty()) return;  // nobody reads it
      NeedAll(node.outputs[0]);
    }
    for (const ValueId output : node.outputs) NeedAll(output);
    for (const ValueId input : node.inputs) NeedAll(input);
  }

  static bool IsWindowed(const Node& node) {
    return IsInternal(node, "Convolution") || IsInternal(node, "QuantizedConv") || IsInternal(node, "Pool");
  }

  // What is added to a convolution's sums, position by position; kNoValue: nothing is.
  static ValueId ResidualOf(const Node& node) { return IsInternal(node, "Convolution") ? node.input(3) : kNoValue; }

  std::optional<Window> WindowOfNode(const Node& node) const {
    const Dims spatial = SpatialOf(whole_[node.inputs[0]], true);
    Dims kernel = spatial;
    if (IsInternal(node, "Convolution")) {
      const Dims& weights = whole_[node.inputs[1]];
      kernel.assign(weights.begin() + 2, weights.end());
    } else if (IsInternal(node, "QuantizedConv")) {
      const Dims& weights = whole_[node.inputs[1]];
      kernel.assign(weights.begin() + 1, weights.end() - 1);
    } else if (const auto* const shape = node.Ints("kernel_shape"); shape != nullptr) {
      kernel = *shape;
    }
    auto window = WindowOf(node, spatial, kernel);
    if (window.has_error()) return std::nullopt;
    return std::move(window).value();
  }

  // The first spatial axis of windows.
  static constexpr std::size_t kTime = 1;

  bool AskWindow(const Node& node, const Need& need) {
    if (!IsWindowed(node)) return false;
    const auto window = WindowOfNode(node);
    if (!window.has_value() || node.Ints("out_positions") != nullptr || node.Ints("in_positions") != nullptr)
      return false;
    if (!need.is_all && need.positions.empty()) return true;
    if (!need.is_all && need.axis != kTime) NeedAll(node.outputs[0]);
    const auto in = PositionsReadBy(*window, need);
    if (in.has_value())
      NeedSome(node.inputs[0], kTime, *in);
    else
      NeedAll(node.inputs[0]);
    const ValueId residual = ResidualOf(node);
    for (std::size_t i = 1; i < node.inputs.size(); ++i)
      if (node.inputs[i] != residual) NeedAll(node.inputs[i]);
    if (residual == kNoValue) return true;
    if (need.is_all)
      NeedAll(residual);
    else
      NeedSome(residual, kTime, Positions(need.positions));
    return true;
  }

  // Along the first axis of the window, for what is needed of its output; empty: all, or so many that it may be all.
  std::optional<Positions> PositionsReadBy(const Window& window, const Need& need) {
    const auto outputs = static_cast<std::size_t>(need.is_all ? window.out[0] : std::ssize(need.positions));
    const auto taps = static_cast<std::size_t>(window.kernel[0]);
    if (outputs > kMostPositions || taps > kMostPositions || outputs * taps > left_) return std::nullopt;
    left_ -= outputs * taps;
    Positions in;
    for (std::size_t i = 0; i < outputs; ++i)
      for (std::int64_t tap = 0; tap < window.kernel[0]; ++tap) {
        const std::int64_t position = need.is_all ? static_cast<std::int64_t>(i) : need.positions[i];
        const std::int64_t at = position * window.strides[0] + tap * window.dilations[0] - window.before[0];
        if (at >= 0 && at < window.in[0]) in.push_back(at);
      }
    std::sort(in.begin(), in.end());
    in.erase(std::unique(in.begin(), in.end()), in.end());
    if (in.empty()) in.push_back(0);  // nothing but padding is read
    return in;
  }

  // Gather and Slice along one axis: which positions they give, in their order. Empty: another thing.
  std::optional<Kept> PickedBy(const Node& node) const {
    const Dims& dims = whole_[node.inputs[0]];
    if (Is(node, "Gather")) {
      const auto& indices = graph_.values[node.inputs[1]].constant;
      if (indices == nullptr || indices->type() != ElementType::kInt64 || indices->dims().size() > 1 ||
          indices->count() == 0 || indices->count() > kMostPositions)
        return std::nullopt;
      const std::int64_t axis = node.Int("axis", 0);
      Kept picked{static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(dims.size()) : axis), {}};
      for (const std::int64_t index : indices->values<std::int64_t>())
        picked.positions.push_back(index < 0 ? index + dims[picked.axis] : index);
      return picked;
    }
    if (!Is(node, "Slice")) return std::nullopt;
    const auto ranges = SliceRangesOf(node, graph_.values, dims);
    if (ranges.size() != 1 || ranges[0].step < 1 || ranges[0].count < 1) return std::nullopt;
    if (static_cast<std::size_t>(ranges[0].count) > kMostPositions) return std::nullopt;
    Kept picked{ranges[0].axis, {}};
    for (std::int64_t i = 0; i < ranges[0].count; ++i) picked.positions.push_back(ranges[0].start + i * ranges[0].step);
    return picked;
  }

  // Of what a node picks, that which is needed of its output, in order.
  Positions ChosenOf(const Node& node, const Kept& picked) const {
    const Need& need = needs_[node.outputs[0]];
    if (need.is_all || need.axis != picked.axis || IsScalarGather(node)) return picked.positions;
    Positions chosen;
    for (const std::int64_t position : need.positions)
      chosen.push_back(picked.positions[static_cast<std::size_t>(position)]);
    return chosen;
  }

  bool IsScalarGather(const Node& node) const { return Is(node, "Gather") && whole_[node.inputs[1]].empty(); }

  bool AskPicking(const Node& node, const Need& need) {
    const auto picked = PickedBy(node);
    if (!picked.has_value() || (!need.is_all && need.positions.empty())) return false;
    if (need.axis != picked->axis || IsScalarGather(node)) NeedAll(node.outputs[0]);
    Positions sorted = ChosenOf(node, *picked);
    std::sort(sorted.begin(), sorted.end());
    NeedSome(node.inputs[0], picked->axis, sorted);
    for (std::size_t i = 1; i < node.inputs.size(); ++i) NeedAll(node.inputs[i]);
    return true;
  }

  bool AskAlong(const Node& node, const Need& need) {
    if (!GoesAlong(whole_, node, need.axis)) return false;
    const Positions positions(need.positions.begin(), need.positions.end());
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] == kNoValue) continue;
      if (const auto axis = AxisIn(whole_, node, i, need.axis); axis.has_value())
        NeedSome(node.inputs[i], *axis, positions);
      else
        NeedAll(node.inputs[i]);
    }
    return true;
  }

  // --- what is kept, from the inputs on ---

  std::optional<Positions> NeededOf(ValueId id) const {
    const Need& need = needs_[id];
    if (need.is_all || need.positions.empty()) return std::nullopt;
    return Positions(need.positions.begin(), need.positions.end());
  }

  void Keep(ValueId id, std::size_t axis, Positions positions) {
    graph_.values[id].dims[axis] = static_cast<std::int64_t>(positions.size());
    kept_[id] = {axis, std::move(positions)};
  }

  // Where positions of the whole stand in what is kept of a value.
  Positions PlacesIn(ValueId id, const Positions& positions) const {
    if (!kept_[id].has_value()) return positions;
    const Positions& there = kept_[id]->positions;
    Positions places;
    for (const std::int64_t position : positions)
      places.push_back(std::lower_bound(there.begin(), there.end(), position) - there.begin());
    return places;
  }

  // A value with just those positions of `id`.
  ValueId Select(ValueId id, std::size_t axis, const Positions& positions) {
    const Positions places = PlacesIn(id, positions);
    const Value value = graph_.values[id];
    if (IsAll(places, value.dims[axis])) return id;
    if (value.constant != nullptr)
      return AddConstant(graph_, value.name + ".some", Taken(*value.constant, axis, places));
    Dims dims = value.dims;
    dims[axis] = static_cast<std::int64_t>(places.size());
    const ValueId some = graph_.Add({value.name + ".some", value.type, std::move(dims), nullptr});
    const ValueId indices = AddConstant(graph_, value.name + ".positions", IntsOf(places));
    nodes_.push_back(NewNode("Gather", value.name + ".some", {id, indices}, {some}));
    nodes_.back().attributes["axis"] = static_cast<std::int64_t>(axis);
    return some;
  }

  bool IsKept(ValueId id) const { return id < kept_.size() && kept_[id].has_value(); }

  void Rewrite(Node& node) {
    if (node.outputs.size() != 1) return;
    if (IsWindowed(node)) return RewriteWindow(node);
    if ((IsKept(node.input(0)) || NeededOf(node.outputs[0]).has_value()) && PickedBy(node).has_value())
      return RewritePicking(node);
    RewriteAlong(node);
  }

  void RewriteWindow(Node& node) {
    const ValueId x = node.inputs[0], y = node.outputs[0];
    if (IsKept(x)) {
      node.attributes["in_positions"] = kept_[x]->positions;
      node.attributes["in_length"] = Length(x, kTime);
      // Padding that follows from sizes, and kernels over all, are those of the whole.
      if (IsInternal(node, "Pool") && node.Ints("kernel_shape") == nullptr)
        node.attributes["kernel_shape"] = SpatialOf(whole_[x], true);
    }
    const auto positions = NeededOf(y);
    if (!positions.has_value()) return;
    node.attributes["out_positions"] = *positions;
    if (const ValueId residual = ResidualOf(node); residual != kNoValue)
      node.inputs[3] = Select(residual, kTime, *positions);
    Keep(y, kTime, *positions);
  }

  void RewritePicking(Node& node) {
    const ValueId x = node.inputs[0], y = node.outputs[0];
    const Kept picked = *PickedBy(node);
    const Positions places = PlacesIn(x, ChosenOf(node, picked));
    if (const auto positions = NeededOf(y); positions.has_value()) Keep(y, picked.axis, *positions);
    if (IsAll(places, graph_.values[x].dims[picked.axis])) {  // it is all that is there
      const ValueId shape = AddConstant(graph_, node.name + ".shape", IntsOf(graph_.values[y].dims));
      node = NewNode("Reshape", node.name, {x, shape}, {y});
      return;
    }
    std::shared_ptr<const Constant> indices = IntsOf(places);
    if (IsScalarGather(node)) {
      auto scalar = std::make_shared<Constant>(ElementType::kInt64, Dims{});
      scalar->mutable_values<std::int64_t>()[0] = places[0];
      indices = std::move(scalar);
    }
    const ValueId id = AddConstant(graph_, node.name + ".positions", std::move(indices));
    node = NewNode("Gather", node.name, {x, id}, {y});
    node.attributes["axis"] = static_cast<std::int64_t>(picked.axis);
  }

  void RewriteAlong(Node& node) {
    const ValueId y = node.outputs[0];
    const auto positions = NeededOf(y);
    if (!positions.has_value() || !GoesAlong(whole_, node, needs_[y].axis)) return;
    const std::size_t axis = needs_[y].axis;
    // Picking from a whole input costs as much as computing it whole, except where there is much to compute.
    const bool is_cut = std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) { return IsKept(id); });
    if (!is_cut && !IsInternal(node, "Dense") && !IsInternal(node, "QuantizedGemm")) return;
    for (std::size_t i = 0; i < node.inputs.size(); ++i)
      if (node.inputs[i] != kNoValue)
        if (const auto own = AxisIn(whole_, node, i, axis); own.has_value())
          node.inputs[i] = Select(node.inputs[i], *own, *positions);
    Keep(y, axis, *positions);
    if (IsReshape(node)) {
      const ValueId shape = AddConstant(graph_, node.name + ".shape", IntsOf(graph_.values[y].dims));
      node = NewNode("Reshape", node.name, {node.inputs[0], shape}, {y});
    }
  }

  Graph& graph_;
  std::vector<Need> needs_;
  std::vector<std::optional<Kept>> kept_;  // empty: the whole
  std::vector<Dims> whole_;                // sizes as they were
  std::size_t left_ = kMostPositionsOfAll;
  std::vector<Node> nodes_;
};

}  // namespace

void KeepNeeded(Graph& graph) {
  if (FindOperator("", "Gather", 13) == nullptr || FindOperator("", "Reshape", 13) == nullptr) return;
  DropUnused(graph);  // what nobody needs would be asked for nothing
  Keeper(graph).Run();
}

}  // namespace punctual::native
