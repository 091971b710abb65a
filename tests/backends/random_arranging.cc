#include <algorithm>
#include <numeric>

#include "backends/random_operators.h"

namespace punctual::test {

namespace {

constexpr std::size_t kMostRank = 5;

// Its numbers in another arrangement.
GrownValue Arranged(GrownValue x, std::string name) {
  x.name = std::move(name);
  return x;
}

void Insert(GrownValue& x, std::size_t axis, std::int64_t size) {
  x.dims.insert(x.dims.begin() + static_cast<std::ptrdiff_t>(axis), size);
  if (x.batch_axis != kNoAxis && x.batch_axis >= axis) ++x.batch_axis;
}

void Erase(GrownValue& x, std::size_t axis) {
  x.dims.erase(x.dims.begin() + static_cast<std::ptrdiff_t>(axis));
  if (x.batch_axis != kNoAxis && x.batch_axis > axis) --x.batch_axis;
}

bool GrowConcat(GrowingGraph& graph, const GrownValue& x) {
  const std::size_t axis = graph.AnyAxis(x);
  if (axis == kNoAxis) return false;
  GrownValue y = x;
  std::vector<std::string> inputs{x.name};
  for (int i = graph.Between(1, 2); i > 0; --i) {
    const auto other = graph.AnyThat([&](const GrownValue& value) {
      if (value.rank() != x.rank() || value.batch_axis != x.batch_axis) return false;
      OnnxDims dims = value.dims;
      dims[axis] = x.dims[axis];
      return dims == x.dims;
    });
    y.dims[axis] += other->dims[axis];  // x itself is one
    y.bound = std::max(y.bound, other->bound);
    y.is_exact = y.is_exact && other->is_exact;
    inputs.insert(graph.Chance(50) ? inputs.begin() : inputs.end(), other->name);
  }
  if (y.count() > 4096) return false;
  y.name = graph.Node("Concat", inputs, {{"axis", graph.Written(axis, x.rank())}});
  graph.Put(std::move(y));
  return true;
}

// Parts of which each is there, and together the axis.
OnnxDims PartsOf(GrowingGraph& graph, std::int64_t size, int count) {
  OnnxDims parts(static_cast<std::size_t>(count), size / count);
  parts.back() += size % count;
  if (parts[0] > 1 && graph.Chance(60)) {
    --parts[0];
    ++parts[1];
  }
  return parts;
}

bool GrowSplit(GrowingGraph& graph, const GrownValue& x) {
  const std::size_t axis = graph.AnyAxis(x);
  if (axis == kNoAxis || x.dims[axis] < 2) return false;
  const int count = graph.Between(2, x.dims[axis] > 2 ? 3 : 2);
  const OnnxDims parts = PartsOf(graph, x.dims[axis], count);
  std::vector<OnnxAttribute> attributes{{"axis", graph.Written(axis, x.rank())}};
  std::vector<std::string> inputs{x.name};
  const bool is_equal = std::ranges::count(parts, parts[0]) == count;
  if (is_equal && graph.Chance(70)) {
    if (graph.opset() >= 18) attributes.push_back({"num_outputs", std::int64_t{count}});
  } else if (graph.opset() >= 13) {
    inputs.push_back(graph.onnx().Integers(parts));
  } else {
    attributes.push_back({"split", parts});
  }
  const std::vector<std::string> names = graph.Names(parts.size());
  graph.Node("Split", inputs, attributes, names);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    GrownValue y = Arranged(x, names[i]);
    y.dims[axis] = parts[i];
    graph.Put(std::move(y));
  }
  return true;
}

bool GrowSlice(GrowingGraph& graph, const GrownValue& x) {
  const OnnxDims axes = graph.AnyAxes(x);
  if (axes.empty()) return false;
  GrownValue y = x;
  OnnxDims starts, ends, steps;
  for (const std::int64_t written : axes) {
    const auto axis = static_cast<std::size_t>(written < 0 ? written + std::ssize(x.dims) : written);
    const auto size = static_cast<int>(x.dims[axis]);
    const int count = graph.Between(1, size), first = graph.Between(0, size - count);
    const int step = graph.Between(1, 3);
    const bool is_backward = graph.Chance(20);
    y.dims[axis] = (count + step - 1) / step;
    if (is_backward) {
      const bool to_begin = first == 0;
      starts.push_back(first + count - 1);
      ends.push_back(to_begin ? std::numeric_limits<std::int64_t>::min() : first - 1);
    } else {
      const bool to_end = first + count == size && graph.Chance(50);
      starts.push_back(first - (graph.Chance(30) ? size : 0));
      ends.push_back(to_end ? std::numeric_limits<std::int64_t>::max() : first + count);
    }
    steps.push_back(is_backward ? -step : step);
  }
  std::vector<std::string> inputs{x.name, graph.onnx().Integers(starts), graph.onnx().Integers(ends),
                                  graph.onnx().Integers(axes)};
  if (std::ranges::count(steps, 1) != std::ssize(steps) || graph.Chance(50))
    inputs.push_back(graph.onnx().Integers(steps));
  y.name = graph.Node("Slice", inputs);
  graph.Put(std::move(y));
  return true;
}

bool GrowSqueeze(GrowingGraph& graph, const GrownValue& x) {
  std::vector<std::size_t> ones;
  for (std::size_t axis = 0; axis < x.rank(); ++axis)
    if (!x.IsBatch(axis) && x.dims[axis] == 1) ones.push_back(axis);
  if (ones.empty()) return false;
  const std::size_t axis = graph.OneOf(ones);
  GrownValue y = Arranged(x, graph.NodeWithAxes("Squeeze", x.name, {graph.Written(axis, x.rank())}, 13));
  Erase(y, axis);
  graph.Put(std::move(y));
  return true;
}

bool GrowUnsqueeze(GrowingGraph& graph, const GrownValue& x) {
  if (x.rank() >= kMostRank) return false;
  const auto axis = static_cast<std::size_t>(graph.Between(0, static_cast<int>(x.rank())));
  GrownValue y = Arranged(x, graph.NodeWithAxes("Unsqueeze", x.name, {graph.Written(axis, x.rank() + 1)}, 13));
  Insert(y, axis, 1);
  graph.Put(std::move(y));
  return true;
}

// Joins two neighbouring dimensions or parts one; the batch may be joined with what follows it.
bool GrowReshape(GrowingGraph& graph, const GrownValue& x) {
  if (x.rank() == 0) return false;
  GrownValue y = x;
  const auto axis = static_cast<std::size_t>(graph.Between(0, static_cast<int>(x.rank()) - 1));
  if (axis + 1 < x.rank() && !x.IsBatch(axis + 1) && graph.Chance(60)) {
    Erase(y, axis + 1);
    y.dims[axis] = x.dims[axis] * x.dims[axis + 1];
  } else {
    if (x.rank() >= kMostRank) return false;
    std::int64_t part = 1;
    for (const std::int64_t divisor : {2, 3, 4, 5, 7})
      if (x.dims[axis] % divisor == 0 && (part == 1 || graph.Chance(50))) part = divisor;
    // Of the batch, only what was joined with it can be parted from it again.
    if (part == 1 && x.IsBatch(axis)) return false;
    y.dims[axis] = x.dims[axis] / part;
    Insert(y, axis + 1, part);
    if (x.IsBatch(axis)) y.batch_axis = axis;
  }
  OnnxDims shape = y.dims;
  const bool is_same_place =
      y.batch_axis == x.batch_axis && y.batch_axis != kNoAxis && y.dims[y.batch_axis] == x.dims[y.batch_axis];
  if (y.batch_axis != kNoAxis) {
    shape[y.batch_axis] = is_same_place && graph.Chance(50) ? 0 : -1;
  } else if (graph.Chance(40)) {
    shape[static_cast<std::size_t>(graph.Between(0, static_cast<int>(shape.size()) - 1))] = -1;
  }
  y.name = graph.Node("Reshape", {x.name, graph.onnx().Integers(shape)});
  graph.Put(std::move(y));
  return true;
}

bool GrowFlatten(GrowingGraph& graph, const GrownValue& x) {
  if (x.batch_axis != kNoAxis && x.batch_axis != 0) return false;
  if (x.rank() == 0) return false;
  const auto axis = static_cast<std::size_t>(graph.Between(1, static_cast<int>(x.rank())));
  GrownValue y = Arranged(x, graph.Node("Flatten", {x.name}, {{"axis", static_cast<std::int64_t>(axis)}}));
  const auto middle = x.dims.begin() + static_cast<std::ptrdiff_t>(axis);
  y.dims = {std::accumulate(x.dims.begin(), middle, std::int64_t{1}, std::multiplies<>()),
            std::accumulate(middle, x.dims.end(), std::int64_t{1}, std::multiplies<>())};
  graph.Put(std::move(y));
  return true;
}

bool GrowTranspose(GrowingGraph& graph, const GrownValue& x) {
  if (x.rank() < 2) return false;
  OnnxDims perm;
  for (std::size_t axis = 0; axis < x.rank(); ++axis) perm.push_back(static_cast<std::int64_t>(axis));
  std::vector<OnnxAttribute> attributes;
  if (graph.Chance(10)) {
    std::ranges::reverse(perm);
  } else {
    // The batch mostly stays where it is.
    const std::size_t from = x.IsBatch(0) && x.rank() > 2 && graph.Chance(70) ? 1 : 0;
    for (std::size_t i = x.rank(); i-- > from + 1;)
      std::swap(perm[i], perm[static_cast<std::size_t>(graph.Between(static_cast<int>(from), static_cast<int>(i)))]);
    attributes.push_back({"perm", perm});
  }
  GrownValue y = Arranged(x, graph.Node("Transpose", {x.name}, attributes));
  for (std::size_t i = 0; i < perm.size(); ++i) {
    const auto from = static_cast<std::size_t>(perm[i]);
    y.dims[i] = x.dims[from];
    if (x.IsBatch(from)) y.batch_axis = i;
  }
  graph.Put(std::move(y));
  return true;
}

bool GrowGather(GrowingGraph& graph, const GrownValue& x) {
  const std::size_t axis = graph.AnyAxis(x);
  if (axis == kNoAxis) return false;
  const auto size = static_cast<int>(x.dims[axis]);
  const auto any = [&]() -> std::int64_t { return graph.Between(0, size - 1) - (graph.Chance(30) ? size : 0); };
  GrownValue y = x;
  std::string indices;
  const int form = graph.Between(0, 9);
  Erase(y, axis);
  if (form < 4) {
    indices = graph.onnx().Integer(graph.Chance(50) ? size - 1 : any());  // often the last: of time, the newest
  } else if (form < 9 || x.rank() >= kMostRank) {
    OnnxDims numbers;
    for (int i = graph.Between(1, 4); i > 0; --i) numbers.push_back(any());
    indices = graph.onnx().Integers(numbers);
    Insert(y, axis, std::ssize(numbers));
  } else {
    indices = graph.onnx().Constant(onnx::TensorProto::INT64, {2, 1}, OnnxDims{any(), any()});
    Insert(y, axis, 1);
    Insert(y, axis, 2);
  }
  // Two dimensions before the batch, or none, where there was one.
  if (x.batch_axis != kNoAxis) y.batch_axis = x.batch_axis < axis ? x.batch_axis : x.batch_axis + y.rank() - x.rank();
  y.name = graph.Node("Gather", {x.name, indices}, {{"axis", graph.Written(axis, x.rank())}});
  graph.Put(std::move(y));
  return true;
}

bool GrowReduction(GrowingGraph& graph, const GrownValue& x) {
  const OnnxDims axes = graph.AnyAxes(x);
  if (axes.empty()) return false;
  const std::string type =
      graph.OneOf(std::vector<std::string>{"ReduceMean", "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"});
  const bool keeps = graph.Chance(50);
  GrownValue y = x;
  std::int64_t count = 1;
  for (std::size_t i = x.rank(); i-- > 0;) {
    const auto axis = static_cast<std::int64_t>(i);
    if (std::ranges::count(axes, axis) + std::ranges::count(axes, axis - std::ssize(x.dims)) == 0) continue;
    count *= x.dims[i];
    Erase(y, i);
    if (keeps) Insert(y, i, 1);
    if (keeps) y.batch_axis = x.batch_axis;
  }
  y.name = graph.NodeWithAxes(type, x.name, axes, type == "ReduceSum" ? 13 : 18, {{"keepdims", std::int64_t{keeps}}});
  y.is_exact = x.is_exact && (type == "ReduceMax" || type == "ReduceMin");
  if (type == "ReduceSum") y.bound = x.bound * static_cast<float>(count);
  graph.Put(std::move(y));
  return true;
}

bool GrowPad(GrowingGraph& graph, const GrownValue& x) {
  if (x.count() > 1024) return false;
  GrownValue y = x;
  const std::string mode = graph.OneOf(std::vector<std::string>{"constant", "constant", "edge", "reflect"});
  OnnxDims before, after;
  for (std::size_t axis = 0; axis < x.rank(); ++axis) {
    const std::int64_t most = mode == "reflect" ? std::min<std::int64_t>(x.dims[axis] - 1, 2) : 2;
    const bool is_padded = !x.IsBatch(axis) && graph.Chance(40);
    before.push_back(is_padded ? graph.Between(0, static_cast<int>(most)) : 0);
    after.push_back(is_padded ? graph.Between(0, static_cast<int>(most)) : 0);
    y.dims[axis] += before.back() + after.back();
  }
  before.insert(before.end(), after.begin(), after.end());
  std::vector<std::string> inputs{x.name, graph.onnx().Integers(before)};
  if (mode == "constant" && graph.Chance(40)) inputs.push_back(graph.onnx().Scalar(graph.Uniform(-1, 1)));
  y.name = graph.Node("Pad", inputs, {{"mode", mode}});
  graph.Put(std::move(y));
  return true;
}

// Repeats what it has, once or by the number.
bool GrowRepetition(GrowingGraph& graph, const GrownValue& x) {
  if (x.rank() == 0 || x.count() > 512) return false;
  const bool is_tile = graph.Chance(50);
  GrownValue y = x;
  OnnxDims numbers(x.rank(), 1);
  for (std::size_t axis = 0; axis < x.rank(); ++axis) {
    if (x.IsBatch(axis) || graph.Chance(50) || (!is_tile && x.dims[axis] != 1)) continue;
    numbers[axis] = graph.Between(1, 3);
    y.dims[axis] *= numbers[axis];
  }
  y.name = graph.Node(is_tile ? "Tile" : "Expand", {x.name, graph.onnx().Integers(numbers)});
  graph.Put(std::move(y));
  return true;
}

constexpr Growth kGrowths[] = {
    {4, GrowConcat},  {3, GrowSplit},     {4, GrowSlice},  {3, GrowSqueeze},   {3, GrowUnsqueeze}, {5, GrowReshape},
    {2, GrowFlatten}, {6, GrowTranspose}, {4, GrowGather}, {4, GrowReduction}, {2, GrowPad},       {1, GrowRepetition},
};

}  // namespace

std::span<const Growth> ArrangingGrowths() { return kGrowths; }

}  // namespace punctual::test
