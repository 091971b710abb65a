#include <cmath>

#include "backends/random_operators.h"

namespace punctual::test {

namespace {

struct Recurrent {
  bool is_lstm;
  std::int64_t directions, inputs, hidden;
};

std::vector<OnnxAttribute> AttributesOf(GrowingGraph& graph, const Recurrent& of) {
  std::vector<OnnxAttribute> attributes{{"hidden_size", of.hidden}};
  if (of.directions == 2)
    attributes.push_back({"direction", std::string("bidirectional")});
  else if (graph.Chance(30))
    attributes.push_back({"direction", std::string("reverse")});
  if (!of.is_lstm && graph.Chance(50)) attributes.push_back({"linear_before_reset", std::int64_t{1}});
  return attributes;
}

// Where each of the states begins: another value, or nothing.
std::vector<std::string> InitialStates(GrowingGraph& graph, const Recurrent& of, std::int64_t batch, bool is_open) {
  if (graph.Chance(70)) return {};
  std::string state;
  if (!is_open) {
    state = graph.Random({of.directions, batch, of.hidden}, -0.5f, 0.5f);
  } else {
    const auto found = graph.AnyThat([&](const GrownValue& value) {
      return value.batch_axis == 0 && value.dims == OnnxDims{batch, of.hidden};
    });
    if (!found.has_value() || of.directions == 2) return {};
    state = graph.NodeWithAxes("Unsqueeze", graph.Node("Tanh", {found->name}), {0}, 13);
  }
  return of.is_lstm ? std::vector<std::string>{"", state, state} : std::vector<std::string>{"", state};
}

// All states [steps, directions, batch, hidden] as [steps, batch, ...], the last ones without their directions or
// after the batch.
GrownValue WithoutDirections(GrowingGraph& graph, const Recurrent& of, GrownValue y, bool is_last) {
  const std::size_t axis = is_last ? 0 : 1;  // of the directions
  if (of.directions == 1) {
    y.name = graph.NodeWithAxes("Squeeze", y.name, {static_cast<std::int64_t>(axis)}, 13);
    y.dims.erase(y.dims.begin() + static_cast<std::ptrdiff_t>(axis));
    if (y.batch_axis != kNoAxis) --y.batch_axis;
    return y;
  }
  y.name = graph.Node("Transpose", {y.name}, {{"perm", is_last ? OnnxDims{1, 0, 2} : OnnxDims{0, 2, 1, 3}}});
  std::swap(y.dims[axis], y.dims[axis + 1]);
  if (y.batch_axis != kNoAxis) --y.batch_axis;
  if (graph.Chance(30)) return y;
  y.dims[axis + 1] *= of.hidden;
  y.dims.pop_back();
  OnnxDims shape = y.dims;
  if (y.batch_axis != kNoAxis) shape[y.batch_axis] = -1;
  y.name = graph.Node("Reshape", {y.name, graph.onnx().Integers(shape)});
  return y;
}

// Over [steps, batch, inputs].
bool GrowRecurrent(GrowingGraph& graph, const GrownValue& given) {
  GrownValue x = given;
  if (x.rank() != 3 || x.IsBatch(2) || x.count() > 1024) return false;
  if (x.IsBatch(0)) {
    x.name = graph.Node("Transpose", {x.name}, {{"perm", OnnxDims{1, 0, 2}}});
    std::swap(x.dims[0], x.dims[1]);
    x.batch_axis = 1;
  }
  const Recurrent of{graph.Chance(50), graph.Chance(30) ? 2 : 1, x.dims[2],
                     graph.OneOf(std::vector<std::int64_t>{1, 2, 3, 5, 8, 16, 17})};
  const std::int64_t gates = of.is_lstm ? 4 : 3;
  std::vector<std::string> inputs{x.name};
  inputs.push_back(graph.Weights({of.directions, gates * of.hidden, of.inputs}, 2 * of.inputs));
  inputs.push_back(graph.Weights({of.directions, gates * of.hidden, of.hidden}, 2 * of.hidden));
  const bool has_bias = graph.Chance(80);
  inputs.push_back(has_bias ? graph.Random({of.directions, 2 * gates * of.hidden}, -0.5f, 0.5f) : "");
  const auto states = InitialStates(graph, of, x.dims[1], x.batch_axis != kNoAxis);
  inputs.insert(inputs.end(), states.begin(), states.end());
  if (!has_bias && states.empty()) inputs.pop_back();
  const std::vector<OnnxAttribute> attributes = AttributesOf(graph, of);
  std::vector<std::string> names = graph.Names(of.is_lstm ? 3 : 2);
  const bool has_all = graph.Chance(60), has_last = !has_all || graph.Chance(30);
  const bool has_cells = of.is_lstm && graph.Chance(20);
  if (!has_all) names[0].clear();
  if (!has_last) names[1].clear();
  if (of.is_lstm && !has_cells) names.pop_back();
  graph.Node(of.is_lstm ? "LSTM" : "GRU", inputs, attributes, names);
  graph.NoteOtherOrder();

  GrownValue y = x;
  y.is_exact = false;
  y.bound = 2;
  y.name = names[0];
  y.dims = {x.dims[0], of.directions, x.dims[1], of.hidden};
  if (y.batch_axis != kNoAxis) y.batch_axis = 2;
  if (has_all) graph.Put(WithoutDirections(graph, of, y, false));
  y.dims.erase(y.dims.begin());
  if (y.batch_axis != kNoAxis) y.batch_axis = 1;
  for (std::size_t i = 1; i < names.size(); ++i) {
    y.name = names[i];
    if (!y.name.empty()) graph.Put(WithoutDirections(graph, of, y, true));
  }
  return true;
}

constexpr Growth kGrowths[] = {{5, GrowRecurrent}};

}  // namespace

std::span<const Growth> RecurrentGrowths() { return kGrowths; }

}  // namespace punctual::test
