#include <algorithm>
#include <cmath>

#include "backends/random_operators.h"

namespace punctual::test {

namespace {

constexpr std::int64_t kMostWeights = 4096;

std::int64_t AnyWidth(GrowingGraph& graph) {
  return graph.OneOf(std::vector<std::int64_t>{1, 2, 3, 4, 5, 8, 9, 16, 17, 31, 32, 40});
}

// --- products --------------------------------------------------------------------------------------------------------

// Rows of numbers: the batch, if it is open, is the rows'.
bool IsMatrix(const GrownValue& x) { return x.rank() == 2 && !x.IsBatch(1); }

bool GrowGemm(GrowingGraph& graph, const GrownValue& x) {
  if (!IsMatrix(x)) return false;
  const bool turns_a = x.batch_axis == kNoAxis && graph.Chance(20), turns_b = graph.Chance(50);
  const std::int64_t rows = x.dims[turns_a ? 1 : 0], depth = x.dims[turns_a ? 0 : 1], width = AnyWidth(graph);
  std::vector<std::string> inputs{x.name};
  inputs.push_back(graph.Weights(turns_b ? OnnxDims{width, depth} : OnnxDims{depth, width}, depth));
  std::vector<OnnxDims> shapes{{width}, {1, width}, {1}, {}, {1, 1}};
  if (x.batch_axis == kNoAxis) shapes.insert(shapes.end(), {{rows, width}, {rows, 1}});
  if (graph.Chance(80)) inputs.push_back(graph.Random(graph.OneOf(shapes), -0.5f, 0.5f));
  std::vector<OnnxAttribute> attributes;
  if (turns_a) attributes.push_back({"transA", std::int64_t{1}});
  if (turns_b) attributes.push_back({"transB", std::int64_t{1}});
  if (graph.Chance(30)) attributes.push_back({"alpha", graph.Uniform(0.5f, 1.5f)});
  if (graph.Chance(30)) attributes.push_back({"beta", graph.Uniform(0.5f, 1.5f)});
  GrownValue y = x;
  y.dims = {rows, width};
  y.name = graph.Node("Gemm", inputs, attributes);
  y.bound = x.bound + 0.5f;
  y.is_exact = false;
  graph.Put(std::move(y));
  return true;
}

// Constants on the right: a matrix, one for each of what stands before the matrices, or a column.
bool GrowProductWithConstant(GrowingGraph& graph, const GrownValue& x) {
  if (x.rank() < 2 || x.IsBatch(x.rank() - 1)) return false;
  GrownValue y = x;
  const std::int64_t depth = x.dims.back();
  OnnxDims dims{depth, AnyWidth(graph)};
  y.dims.back() = dims[1];
  const int form = graph.Between(0, 9);
  if (form == 0) {
    dims.pop_back();
    y.dims.pop_back();
  } else if (form < 3) {
    for (std::size_t axis = x.rank() - 2; axis-- > 0;)
      dims.insert(dims.begin(), x.IsBatch(axis) || graph.Chance(50) ? 1 : x.dims[axis]);
  }
  if (GrownValue{.name = {}, .dims = dims}.count() > kMostWeights || y.count() > kMostWeights) return false;
  y.name = graph.Node("MatMul", {x.name, graph.Weights(dims, depth)});
  y.is_exact = false;
  if (form > 5) y.name = graph.Node("Add", {y.name, graph.Random({y.dims.back()}, -0.5f, 0.5f)});
  graph.Put(std::move(y));
  return true;
}

bool GrowConstantProduct(GrowingGraph& graph, const GrownValue& x) {
  if (x.rank() < 2 || x.IsBatch(x.rank() - 2)) return false;
  GrownValue y = x;
  const std::int64_t depth = x.dims[x.rank() - 2];
  y.dims[x.rank() - 2] = graph.Between(1, 9);
  y.name = graph.Node("MatMul", {graph.Weights({y.dims[x.rank() - 2], depth}, depth), x.name});
  y.is_exact = false;
  graph.Put(std::move(y));
  return true;
}

// A value with itself, turned, as attention has it: what is like what.
bool GrowProductOfTwo(GrowingGraph& graph, const GrownValue& x) {
  const std::size_t rank = x.rank();
  if (rank < 3 || x.IsBatch(rank - 1) || x.IsBatch(rank - 2)) return false;
  OnnxDims perm;
  for (std::size_t axis = 0; axis < rank; ++axis) perm.push_back(static_cast<std::int64_t>(axis));
  std::swap(perm[rank - 1], perm[rank - 2]);
  const std::string turned = graph.Node("Transpose", {x.name}, {{"perm", perm}});
  const bool is_outer = graph.Chance(50);
  GrownValue y = x;
  const std::int64_t depth = x.dims[is_outer ? rank - 1 : rank - 2];
  y.dims[rank - 1] = y.dims[rank - 2] = x.dims[is_outer ? rank - 2 : rank - 1];
  std::vector<std::string> inputs{x.name, turned};
  if (!is_outer) std::swap(inputs[0], inputs[1]);
  const std::string scores = graph.Node("MatMul", inputs);
  y.name = graph.Node("Div", {scores, graph.onnx().Scalar(static_cast<float>(depth) * std::max(1.0f, x.bound))});
  y.is_exact = false;
  if (graph.Chance(50)) {
    const std::string shares = graph.Node("Softmax", {y.name}, {{"axis", static_cast<std::int64_t>(rank) - 1}});
    y.name = graph.Node("MatMul", {shares, is_outer ? x.name : turned});
    y.dims[rank - 1] = x.dims[is_outer ? rank - 1 : rank - 2];
  }
  graph.Put(std::move(y));
  return true;
}

// --- windows ---------------------------------------------------------------------------------------------------------

// Over the spatial axes of [batch, channels, sizes...].
struct AnyWindow {
  OnnxDims kernel, strides, dilations, pads, out;
  std::string auto_pad;
  bool has_ceiling = false;

  std::vector<OnnxAttribute> Attributes(bool names_kernel) const {
    std::vector<OnnxAttribute> attributes;
    if (names_kernel) attributes.push_back({"kernel_shape", kernel});
    const auto is_one = [](std::int64_t number) { return number == 1; };
    if (!std::ranges::all_of(strides, is_one)) attributes.push_back({"strides", strides});
    if (!std::ranges::all_of(dilations, is_one)) attributes.push_back({"dilations", dilations});
    if (!auto_pad.empty()) attributes.push_back({"auto_pad", auto_pad});
    if (auto_pad.empty() && std::ranges::any_of(pads, [](std::int64_t pad) { return pad > 0; }))
      attributes.push_back({"pads", pads});
    if (has_ceiling) attributes.push_back({"ceil_mode", std::int64_t{1}});
    return attributes;
  }
};

bool HasSpatialAxes(const GrownValue& x) {
  if (x.rank() != 3 && x.rank() != 4) return false;
  return x.batch_axis == kNoAxis || x.batch_axis == 0;
}

std::int64_t OutOf(const AnyWindow& window, std::size_t axis, std::int64_t size) {
  const std::size_t rank = window.kernel.size();
  const std::int64_t stride = window.strides[axis];
  if (window.auto_pad.starts_with("SAME")) return (size + stride - 1) / stride;
  std::int64_t room = size - (window.kernel[axis] - 1) * window.dilations[axis] - 1;
  if (window.auto_pad.empty()) room += window.pads[axis] + window.pads[rank + axis];
  if (room < 0) return 0;
  return (window.has_ceiling ? room + stride - 1 : room) / stride + 1;
}

// Whether a window begins behind the last number: others disagree about those.
bool BeginsInPadding(const AnyWindow& window, const GrownValue& x) {
  for (std::size_t axis = 0; axis < window.kernel.size(); ++axis)
    if ((window.out[axis] - 1) * window.strides[axis] >= x.dims[axis + 2] + window.pads[axis]) return true;
  return false;
}

// False: nothing comes out of it.
bool FindWindow(GrowingGraph& graph, const GrownValue& x, bool is_pool, AnyWindow& window) {
  const std::size_t rank = x.rank() - 2;
  for (std::size_t axis = 0; axis < rank; ++axis) {
    window.kernel.push_back(graph.Between(1, static_cast<int>(std::min<std::int64_t>(4, x.dims[axis + 2]))));
    window.strides.push_back(graph.Chance(70) ? 1 : graph.Between(2, 3));
    window.dilations.push_back(!is_pool && graph.Chance(25) ? 2 : 1);
  }
  // A pool's padding is smaller than its kernel, so that no window has nothing else.
  for (std::size_t i = 0; i < 2 * rank; ++i) {
    const auto reach = static_cast<int>((window.kernel[i % rank] - 1) * window.dilations[i % rank]);
    const int most = is_pool ? reach / 2 : reach;
    window.pads.push_back(graph.Chance(50) ? graph.Between(0, most) : 0);
  }
  const int form = graph.Between(0, 9);
  const std::vector<std::string> names{"SAME_UPPER", "SAME_LOWER", "VALID"};
  if (form < 3) window.auto_pad = names[static_cast<std::size_t>(form)];
  if (form < 2) std::ranges::fill(window.dilations, 1);  // ONNX Runtime refuses others
  window.has_ceiling = is_pool && form > 7;
  for (std::size_t axis = 0; axis < rank; ++axis) window.out.push_back(OutOf(window, axis, x.dims[axis + 2]));
  if (window.has_ceiling && BeginsInPadding(window, x)) return false;
  return std::ranges::all_of(window.out, [](std::int64_t size) { return size > 0; });
}

GrownValue WindowsOf(const GrownValue& x, const AnyWindow& window, std::int64_t channels) {
  GrownValue y = x;
  y.dims[1] = channels;
  std::ranges::copy(window.out, y.dims.begin() + 2);
  return y;
}

std::string MaybeActivation(GrowingGraph& graph, const std::string& x) {
  const int form = graph.Between(0, 5);
  if (form < 2) return graph.Node("Relu", {x});
  if (form == 2) return graph.Node("LeakyRelu", {x}, {{"alpha", 0.1f}});
  return x;
}

bool GrowConvolution(GrowingGraph& graph, const GrownValue& x) {
  if (!HasSpatialAxes(x)) return false;
  AnyWindow window;
  if (!FindWindow(graph, x, false, window)) return false;
  const std::int64_t in = x.dims[1];
  std::int64_t group = 1;
  if (graph.Chance(30))
    for (const std::int64_t divisor : {2, 3, 4, 5})
      if (in % divisor == 0) group = divisor;
  if (graph.Chance(10)) group = in;
  const std::int64_t channels = group == in && graph.Chance(50) ? in : group * graph.Between(1, group > 1 ? 3 : 20);
  OnnxDims dims{channels, in / group};
  dims.insert(dims.end(), window.kernel.begin(), window.kernel.end());
  const std::int64_t weights = GrownValue{.name = {}, .dims = dims}.count();
  if (weights > kMostWeights) return false;
  std::vector<std::string> inputs{x.name, graph.Weights(dims, weights / channels)};
  if (graph.Chance(70)) inputs.push_back(graph.Random({channels}, -0.5f, 0.5f));
  std::vector<OnnxAttribute> attributes = window.Attributes(graph.Chance(50));
  if (group > 1) attributes.push_back({"group", group});
  GrownValue y = WindowsOf(x, window, channels);
  if (y.count() > kMostWeights) return false;
  y.name = MaybeActivation(graph, graph.Node("Conv", inputs, attributes));
  y.bound = x.bound + 0.5f;
  y.is_exact = false;
  // What it was made of, if that has the same shape.
  if (y.dims == x.dims && graph.Chance(50)) {
    y.name = MaybeActivation(graph, graph.Node("Add", {y.name, x.name}));
    y.bound += x.bound;
  }
  graph.Put(std::move(y));
  return true;
}

// Padded before the first of time alone: each step sees the past.
bool GrowCausalConvolution(GrowingGraph& graph, const GrownValue& x) {
  if (!HasSpatialAxes(x) || x.rank() != 3 || x.dims[2] < 3) return false;
  GrownValue y = x;
  const std::int64_t taps = graph.Between(2, 3), dilation = graph.Between(1, 2), channels = graph.Between(1, 9);
  const std::int64_t reach = (taps - 1) * dilation;
  std::string from = x.name;
  std::vector<OnnxAttribute> attributes{{"dilations", OnnxDims{dilation}}};
  if (graph.Chance(50))
    from = graph.Node("Pad", {from, graph.onnx().Integers({0, 0, reach, 0, 0, 0})});
  else
    attributes.push_back({"pads", OnnxDims{reach, 0}});
  const std::string weights = graph.Weights({channels, x.dims[1], taps}, x.dims[1] * taps);
  y.name =
      MaybeActivation(graph, graph.Node("Conv", {from, weights, graph.Random({channels}, -0.5f, 0.5f)}, attributes));
  y.dims[1] = channels;
  y.bound = x.bound + 0.5f;
  y.is_exact = false;
  graph.Put(std::move(y));
  return true;
}

bool GrowPool(GrowingGraph& graph, const GrownValue& x) {
  if (!HasSpatialAxes(x)) return false;
  AnyWindow window;
  if (!FindWindow(graph, x, true, window)) return false;
  const bool is_mean = graph.Chance(50);
  std::vector<OnnxAttribute> attributes = window.Attributes(true);
  // Others differ about padding that is not written down.
  const bool is_written = !window.has_ceiling && !window.auto_pad.starts_with("SAME");
  if (is_mean && is_written && graph.Chance(50)) attributes.push_back({"count_include_pad", std::int64_t{1}});
  GrownValue y = WindowsOf(x, window, x.dims[1]);
  y.name = graph.Node(is_mean ? "AveragePool" : "MaxPool", {x.name}, attributes);
  y.is_exact = x.is_exact && !is_mean;
  graph.Put(std::move(y));
  return true;
}

bool GrowGlobalPool(GrowingGraph& graph, const GrownValue& x) {
  if (!HasSpatialAxes(x)) return false;
  const bool is_mean = graph.Chance(60);
  GrownValue y = x;
  std::fill(y.dims.begin() + 2, y.dims.end(), 1);
  y.name = graph.Node(is_mean ? "GlobalAveragePool" : "GlobalMaxPool", {x.name});
  y.is_exact = x.is_exact && !is_mean;
  graph.Put(std::move(y));
  return true;
}

// --- normalisations --------------------------------------------------------------------------------------------------

bool GrowBatchNormalization(GrowingGraph& graph, const GrownValue& x) {
  if (x.rank() < 2 || x.IsBatch(1)) return false;
  const OnnxDims dims{x.dims[1]};
  const std::string scale = graph.Random(dims, -1.5f, 1.5f), bias = graph.Random(dims, -0.5f, 0.5f);
  const std::string mean = graph.Random(dims, -0.5f, 0.5f), variance = graph.Random(dims, 0.5f, 2.0f);
  GrownValue y = x;
  y.name = MaybeActivation(graph, graph.Node("BatchNormalization", {x.name, scale, bias, mean, variance}));
  y.bound = 2 * x.bound + 1;
  y.is_exact = false;
  graph.Put(std::move(y));
  return true;
}

// By rows, whose deviation is not close to zero thanks to epsilon.
bool GrowRowNormalization(GrowingGraph& graph, const GrownValue& x) {
  GrownValue y = x;
  y.bound = 3;
  y.is_exact = false;
  const float epsilon = graph.Uniform(0.01f, 0.1f);
  if (graph.Chance(70)) {
    const std::size_t first = x.batch_axis == kNoAxis ? 0 : x.batch_axis + 1;
    if (graph.opset() < 17 || first >= x.rank()) return false;
    // ONNX Runtime has fusions that know only the last axis.
    const int last = static_cast<int>(x.rank()) - 1,
              axis = graph.has_codes() ? last : graph.Between(static_cast<int>(first), last);
    const OnnxDims dims(x.dims.begin() + axis, x.dims.end());
    if (graph.has_codes() && GrownValue{.name = {}, .dims = dims}.count() == 1) return false;
    std::vector<std::string> inputs{x.name, graph.Random(dims, 0.5f, 1.5f)};
    if (graph.Chance(70)) inputs.push_back(graph.Random(dims, -0.5f, 0.5f));
    y.name = graph.Node("LayerNormalization", inputs,
                        {{"axis", graph.Written(static_cast<std::size_t>(axis), x.rank())}, {"epsilon", epsilon}});
  } else {
    if (!HasSpatialAxes(x)) return false;
    const std::string scale = graph.Random({x.dims[1]}, 0.5f, 1.5f), bias = graph.Random({x.dims[1]}, -0.5f, 0.5f);
    y.name = graph.Node("InstanceNormalization", {x.name, scale, bias}, {{"epsilon", epsilon}});
  }
  graph.Put(std::move(y));
  return true;
}

bool GrowSoftmax(GrowingGraph& graph, const GrownValue& x) {
  const bool flattens = graph.opset() < 13;
  const std::size_t axis = graph.AnyAxis(x);
  if (axis == kNoAxis) return false;
  // Where all that follows the axis is one, the batch must stand before it; and OpenVINO counts from the beginning.
  if (flattens && x.batch_axis != kNoAxis && x.batch_axis > axis) return false;
  const std::int64_t written = flattens ? static_cast<std::int64_t>(axis) : graph.Written(axis, x.rank());
  GrownValue y = x;
  const bool is_log = graph.Chance(25);
  y.name = graph.Node(is_log ? "LogSoftmax" : "Softmax", {x.name}, {{"axis", written}});
  y.bound = is_log ? 2 * x.bound + 3 : 1;
  y.is_exact = false;
  graph.Put(std::move(y));
  return true;
}

constexpr Growth kGrowths[] = {
    {8, GrowGemm},
    {7, GrowProductWithConstant},
    {2, GrowConstantProduct},
    {3, GrowProductOfTwo},
    {12, GrowConvolution},
    {4, GrowCausalConvolution},
    {6, GrowPool},
    {2, GrowGlobalPool},
    {4, GrowBatchNormalization},
    {4, GrowRowNormalization},
    {4, GrowSoftmax},
};

}  // namespace

std::span<const Growth> LayerGrowths() { return kGrowths; }

}  // namespace punctual::test
