#include <algorithm>
#include <cmath>

#include "backends/random_operators.h"

namespace punctual::test {

namespace {

GrownValue Made(GrownValue x, std::string name, float bound, bool is_exact = false) {
  x.name = std::move(name);
  x.bound = bound;
  x.is_exact = x.is_exact && is_exact;
  return x;
}

// What gives the same bits everywhere.
bool GrowSelecting(GrowingGraph& graph, const GrownValue& x) {
  const std::string type = graph.OneOf(std::vector<std::string>{"Relu", "Relu", "Abs", "Neg", "Identity", "Dropout"});
  graph.Put(Made(x, graph.Node(type, {x.name}), x.bound, true));
  return true;
}

bool GrowClip(GrowingGraph& graph, const GrownValue& x) {
  const std::string low = graph.Chance(80) ? graph.onnx().Scalar(graph.Uniform(-2, 0)) : "";
  std::vector<std::string> inputs{x.name, low};
  if (low.empty() || graph.Chance(80)) inputs.push_back(graph.onnx().Scalar(graph.Uniform(0, 2)));
  graph.Put(Made(x, graph.Node("Clip", inputs), x.bound, true));
  return true;
}

bool GrowActivation(GrowingGraph& graph, const GrownValue& x) {
  struct Activation {
    const char* type;
    bool has_alpha, has_beta;
  };
  static const std::vector<Activation> kActivations{
      {"LeakyRelu", true, false},  {"LeakyRelu", true, false}, {"Elu", true, false},
      {"Selu", false, false},      {"Sigmoid", false, false},  {"Tanh", false, false},
      {"HardSigmoid", true, true}, {"Softplus", false, false}, {"Erf", false, false}};
  const Activation of = graph.OneOf(kActivations);
  std::vector<OnnxAttribute> attributes;
  if (of.has_alpha && graph.Chance(70)) attributes.push_back({"alpha", graph.Uniform(0.05f, 0.6f)});
  if (of.has_beta && graph.Chance(70)) attributes.push_back({"beta", graph.Uniform(0.2f, 0.8f)});
  graph.Put(Made(x, graph.Node(of.type, {x.name}, attributes), x.bound));
  return true;
}

bool GrowGelu(GrowingGraph& graph, const GrownValue& x) {
  if (graph.opset() < 20) return false;
  std::vector<OnnxAttribute> attributes;
  if (graph.Chance(50)) attributes.push_back({"approximate", std::string("tanh")});
  graph.Put(Made(x, graph.Node("Gelu", {x.name}, attributes), x.bound));
  return true;
}

// Functions that want numbers above zero, or not large ones.
bool GrowFunction(GrowingGraph& graph, const GrownValue& x) {
  if (graph.Chance(40)) {
    const std::string tame = x.bound < 2 ? x.name : graph.Node("Tanh", {x.name});
    graph.Put(Made(x, graph.Node("Exp", {tame}), 3));
    return true;
  }
  const std::string above = graph.Node("Add", {graph.Node("Abs", {x.name}), graph.onnx().Scalar(0.5f)});
  const std::string type = graph.OneOf(std::vector<std::string>{"Sqrt", "Log", "Reciprocal", "Pow"});
  if (type != "Pow") {
    graph.Put(Made(x, graph.Node(type, {above}), std::max(x.bound, 2.0f)));
    return true;
  }
  const float exponent = graph.OneOf(std::vector<float>{2, 0.5f, -1, 1.7f});
  graph.Put(Made(x, graph.Node("Pow", {above, graph.onnx().Scalar(exponent)}), std::pow(x.bound + 0.5f, 2.0f)));
  return true;
}

// A shape that broadcasts to x's, and maybe has ones before it.
OnnxDims SideShape(GrowingGraph& graph, const GrownValue& x) {
  OnnxDims dims = x.dims;
  for (std::size_t axis = 0; axis < dims.size(); ++axis)
    if (x.IsBatch(axis) || graph.Chance(40)) dims[axis] = 1;
  const int form = graph.Between(0, 9);
  if (form == 0 && x.rank() < 4) dims.insert(dims.begin(), 1);
  const auto is_one = [](std::int64_t size) { return size == 1; };
  if (form > 3) dims.erase(dims.begin(), std::ranges::find_if_not(dims, is_one));
  return dims;
}

// A number for each index of the axis that layers have as channels.
OnnxDims ChannelShape(const GrownValue& x) {
  OnnxDims dims(x.rank(), 1);
  const std::size_t axis = x.rank() > 2 ? 1 : x.rank() - 1;
  if (!x.IsBatch(axis)) dims[axis] = x.dims[axis];
  return dims;
}

bool GrowWithConstant(GrowingGraph& graph, const GrownValue& x) {
  const std::string type =
      graph.OneOf(std::vector<std::string>{"Add", "Add", "Mul", "Mul", "Sub", "Div", "Min", "Max"});
  const OnnxDims dims = x.rank() > 0 && graph.Chance(40) ? ChannelShape(x) : SideShape(graph, x);
  // Away from zero, of either sign.
  const std::string side = graph.Random(dims, 0.5f, 1.5f);
  const std::string number = graph.Chance(30) ? graph.Node("Neg", {side}) : side;
  const bool is_first = type != "Div" && graph.Chance(30);
  std::vector<std::string> inputs{x.name, number};
  if (is_first) std::swap(inputs[0], inputs[1]);
  GrownValue y =
      Made(x, graph.Node(type, inputs), type == "Div" ? 2 * x.bound : x.bound + 1, type == "Min" || type == "Max");
  if (dims.size() > x.rank()) {
    y.dims.insert(y.dims.begin(), 1);
    if (y.batch_axis != kNoAxis) ++y.batch_axis;
  }
  graph.Put(std::move(y));
  return true;
}

// What two values broadcast to; false: they do not, whatever the batch.
bool Broadcasts(const GrownValue& a, const GrownValue& b, GrownValue& both) {
  const std::size_t rank = std::max(a.rank(), b.rank());
  const auto from_end = [](const GrownValue& value) {
    return value.batch_axis == kNoAxis ? kNoAxis : value.rank() - value.batch_axis;
  };
  if (from_end(a) != from_end(b)) return false;
  both = a.rank() >= b.rank() ? a : b;
  for (std::size_t i = 1; i <= rank; ++i) {
    const std::int64_t of_a = i <= a.rank() ? a.dims[a.rank() - i] : 1, of_b = i <= b.rank() ? b.dims[b.rank() - i] : 1;
    if (of_a != of_b && ((of_a != 1 && of_b != 1) || i == from_end(a))) return false;
    both.dims[rank - i] = std::max(of_a, of_b);
  }
  return both.count() <= 4096;
}

bool GrowOfTwo(GrowingGraph& graph, const GrownValue& a) {
  GrownValue both;
  const auto other = graph.AnyThat([&](const GrownValue& value) { return Broadcasts(a, value, both); });
  if (!other.has_value()) return false;
  const GrownValue& b = *other;
  Broadcasts(a, b, both);
  const std::string type =
      graph.OneOf(std::vector<std::string>{"Add", "Add", "Add", "Mul", "Sub", "Div", "Max", "Min"});
  both.is_exact = a.is_exact && b.is_exact;
  const bool selects = type == "Max" || type == "Min";
  std::vector<std::string> inputs{a.name, b.name};
  if (graph.Chance(50)) std::swap(inputs[0], inputs[1]);
  // What divides stays away from zero.
  if (type == "Div") inputs[1] = graph.Node("Add", {graph.Node("Sigmoid", {inputs[1]}), graph.onnx().Scalar(0.5f)});
  const float bound = type == "Mul"   ? a.bound * b.bound
                      : type == "Div" ? 2 * std::max(a.bound, b.bound)
                                      : a.bound + b.bound;
  graph.Put(Made(both, graph.Node(type, inputs), bound, selects));
  return true;
}

bool GrowOfMany(GrowingGraph& graph, const GrownValue& x) {
  const std::string type = graph.OneOf(std::vector<std::string>{"Sum", "Mean", "Min", "Max"});
  std::vector<std::string> inputs{x.name};
  for (int i = graph.Between(0, 2); i >= 0; --i) {
    const OnnxDims dims = SideShape(graph, x);
    if (dims.size() <= x.rank()) inputs.push_back(graph.Random(dims, -1, 1));
  }
  graph.Put(Made(x, graph.Node(type, inputs), x.bound + 1, type == "Min" || type == "Max"));
  return true;
}

// Which of two a number decides: it must be the same everywhere.
bool GrowChoice(GrowingGraph& graph, const GrownValue& x) {
  if (!x.is_exact) return false;
  const std::string type = graph.OneOf(std::vector<std::string>{"Greater", "Less", "Equal"});
  const std::string decides = graph.Node(type, {x.name, graph.onnx().Scalar(0.25f)});
  const std::string other = graph.Random(OnnxDims(), -1, 1);
  graph.Put(Made(x, graph.Node("Where", {decides, x.name, other}), x.bound, true));
  return true;
}

std::string Cast(GrowingGraph& graph, const std::string& x, onnx::TensorProto::DataType type) {
  return graph.Node("Cast", {x}, {{"to", std::int64_t{type}}});
}

// To another type and back.
bool GrowCast(GrowingGraph& graph, const GrownValue& x) {
  if (!x.is_exact || graph.Chance(30)) {
    const std::string doubled = Cast(graph, x.name, onnx::TensorProto::DOUBLE);
    const std::string by = graph.onnx().Constant(onnx::TensorProto::DOUBLE, {}, std::vector<double>{0.75});
    graph.Put(Made(x, Cast(graph, graph.Node("Mul", {doubled, by}), onnx::TensorProto::FLOAT), x.bound));
    return true;
  }
  const auto type =
      graph.OneOf(std::vector{onnx::TensorProto::INT32, onnx::TensorProto::INT64, onnx::TensorProto::BOOL});
  std::string whole = Cast(graph, x.name, type);
  if (type == onnx::TensorProto::INT64 && graph.Chance(50)) whole = graph.Node("Add", {whole, graph.onnx().Integer(2)});
  graph.Put(Made(x, Cast(graph, whole, onnx::TensorProto::FLOAT), x.bound + 2, true));
  return true;
}

constexpr Growth kGrowths[] = {
    {6, GrowSelecting},    {2, GrowClip},  {8, GrowActivation}, {1, GrowGelu},   {2, GrowFunction},
    {9, GrowWithConstant}, {9, GrowOfTwo}, {2, GrowOfMany},     {1, GrowChoice}, {2, GrowCast},
};

}  // namespace

std::span<const Growth> ElementwiseGrowths() { return kGrowths; }

}  // namespace punctual::test
