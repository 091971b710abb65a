#include "backends/growing_graph.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

namespace punctual::test {

namespace {

constexpr float kLargeBound = 12;
constexpr std::int64_t kMostInteger = 7;  // of the graph's inputs; those are 0 to kMostInteger

}  // namespace

std::int64_t GrownValue::count() const {
  std::int64_t count = 1;
  for (const std::int64_t dimension : dims) count *= dimension;
  return count;
}

GrowingGraph::GrowingGraph(std::uint32_t seed)
    : random_(seed),
      opset_(OneOf(std::vector<int>{11, 13, 15, 17, 17, 18, 20})),
      has_open_batch_(Chance(80)),
      has_codes_(Chance(20)),
      onnx_("random", opset_) {}

std::size_t GrowingGraph::AnyAxis(const GrownValue& x) {
  std::vector<std::size_t> axes;
  for (std::size_t axis = 0; axis < x.rank(); ++axis)
    if (!x.IsBatch(axis)) axes.push_back(axis);
  return axes.empty() ? kNoAxis : OneOf(axes);
}

OnnxDims GrowingGraph::AnyAxes(const GrownValue& x) {
  std::vector<std::size_t> chosen;
  for (std::size_t axis = 0; axis < x.rank(); ++axis)
    if (!x.IsBatch(axis) && Chance(40)) chosen.push_back(axis);
  if (chosen.empty())
    if (const std::size_t axis = AnyAxis(x); axis != kNoAxis) chosen.push_back(axis);
  OnnxDims axes;
  for (const std::size_t axis : chosen) axes.push_back(Written(axis, x.rank()));
  return axes;
}

std::int64_t GrowingGraph::Written(std::size_t axis, std::size_t rank) {
  return static_cast<std::int64_t>(axis) - (Chance(30) ? static_cast<std::int64_t>(rank) : 0);
}

std::vector<std::string> GrowingGraph::Names(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < count; ++i)
    names.push_back("part_" + std::to_string(node_count()) + "_" + std::to_string(i));
  return names;
}

std::string GrowingGraph::Random(const OnnxDims& dims, float low, float high) {
  std::vector<float> values(static_cast<std::size_t>(GrownValue{.name = {}, .dims = dims}.count()));
  for (float& value : values) value = Uniform(low, high);
  return onnx_.Floats(dims, values);
}

std::string GrowingGraph::Weights(const OnnxDims& dims, std::int64_t fan_in) {
  const float bound = std::sqrt(3.0f / static_cast<float>(fan_in));
  return Random(dims, -bound, bound);
}

std::string GrowingGraph::NodeWithAxes(const std::string& type, const std::string& x, const OnnxDims& axes, int since,
                                       std::vector<OnnxAttribute> attributes) {
  if (opset_ >= since) return Node(type, {x, onnx_.Integers(axes)}, attributes);
  attributes.push_back({"axes", axes});
  return Node(type, {x}, attributes);
}

std::string GrowingGraph::Node(const std::string& type, const std::vector<std::string>& inputs,
                               const std::vector<OnnxAttribute>& attributes, std::vector<std::string> outputs) {
  for (GrownValue& value : values_)
    if (std::ranges::count(inputs, value.name) != 0) value.is_read = true;
  return onnx_.Add(type, inputs, attributes, std::move(outputs));
}

GrownValue GrowingGraph::Any() {
  // Mostly the newest, so that graphs grow long and not broad.
  if (Chance(60)) return values_.back();
  return OneOf(values_);
}

void GrowingGraph::Put(GrownValue value) {
  if (has_open_batch_ && value.batch_axis != 0) NoteOtherOrder();
  if (value.bound > kLargeBound) {
    const bool is_scaled = Chance(70);
    value.name = is_scaled ? Node("Mul", {value.name, onnx_.Scalar(1 / value.bound)}) : Node("Tanh", {value.name});
    value.is_exact = false;
    value.bound = 1;
  }
  value.is_read = false;
  values_.push_back(std::move(value));
}

GrownValue GrowingGraph::Input(const OnnxDims& dims, onnx::TensorProto::DataType type) {
  GrownValue value;
  value.name = onnx_.Input("x" + std::to_string(onnx_.graph().input_size()), dims);
  value.dims = dims;
  value.dims.insert(value.dims.begin(), 1);
  value.batch_axis = 0;
  value.is_exact = true;
  onnx::TypeProto& proto = *onnx_.graph().mutable_input(onnx_.graph().input_size() - 1)->mutable_type();
  proto.mutable_tensor_type()->set_elem_type(type);
  if (has_open_batch_) return value;
  value.batch_axis = kNoAxis;
  value.dims[0] = Between(1, 3);
  proto.mutable_tensor_type()->mutable_shape()->mutable_dim(0)->set_dim_value(value.dims[0]);
  return value;
}

void GrowingGraph::AddFloats() {
  static const std::vector<int> kWidths{1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 24, 33};
  OnnxDims dims;
  const int rank = OneOf(std::vector<int>{1, 2, 2, 3, 3});
  for (int i = 0; i < rank; ++i) dims.push_back(rank == 3 ? Between(1, 9) : OneOf(kWidths));
  GrownValue value = Input(dims, onnx::TensorProto::FLOAT);
  value.bound = 2;
  Put(std::move(value));
}

// Whole numbers are looked up in a table, or taken as numbers.
void GrowingGraph::AddIntegers() {
  const bool is_long = Chance(50);
  GrownValue value = Input({Between(1, 6)}, is_long ? onnx::TensorProto::INT64 : onnx::TensorProto::INT32);
  if (Chance(60)) {
    const std::int64_t width = Between(1, 17);
    const std::string table = Random({kMostInteger + 1, width}, -2, 2);
    value.name = Node("Gather", {table, value.name});
    value.dims.push_back(width);
    value.bound = 2;
  } else {
    value.name = Node("Cast", {value.name}, {{"to", std::int64_t{onnx::TensorProto::FLOAT}}});
    value.bound = kMostInteger;
  }
  Put(std::move(value));
}

void GrowingGraph::AddInputs() {
  const int count = OneOf(std::vector<int>{1, 1, 2, 3});
  for (int i = 0; i < count; ++i) i > 0 && Chance(25) ? AddIntegers() : AddFloats();
}

void GrowingGraph::Output(const GrownValue& value) {
  GrownValue last = value;
  if (has_open_batch_ && last.batch_axis != 0) {
    OnnxDims perm;
    for (std::size_t axis = 0; axis < last.rank(); ++axis) perm.push_back(static_cast<std::int64_t>(axis));
    std::swap(perm[0], perm[last.batch_axis]);
    std::swap(last.dims[0], last.dims[last.batch_axis]);
    last.name = Node("Transpose", {last.name}, {{"perm", perm}});
  }
  if (has_open_batch_ && last.dims[0] != 1) {
    last.dims.insert(last.dims.begin(), 1);
    OnnxDims shape = last.dims;
    shape[0] = -1;
    last.name = Node("Reshape", {last.name, onnx_.Integers(shape)});
  }
  const auto is_input = [&](const onnx::ValueInfoProto& input) { return input.name() == last.name; };
  if (std::ranges::any_of(onnx_.graph().input(), is_input)) last.name = Node("Identity", {last.name});
  const bool is_scalar = last.dims.empty();
  const std::int64_t first = is_scalar ? 1 : last.dims[0];
  onnx_.Output(last.name, is_scalar ? OnnxDims() : OnnxDims(last.dims.begin() + 1, last.dims.end()));
  onnx::TypeProto& proto = *onnx_.graph().mutable_output(onnx_.graph().output_size() - 1)->mutable_type();
  onnx::TensorShapeProto& shape = *proto.mutable_tensor_type()->mutable_shape();
  if (is_scalar) shape.clear_dim();
  if (!is_scalar && !has_open_batch_) shape.mutable_dim(0)->set_dim_value(first);
}

// Whether the outputs need all of the inputs: OpenVINO's models do not have the others.
bool GrowingGraph::NeedsAllInputs() {
  std::set<std::string> needed;
  for (const onnx::ValueInfoProto& output : onnx_.graph().output()) needed.insert(output.name());
  for (int i = onnx_.graph().node_size(); i-- > 0;) {
    const onnx::NodeProto& node = onnx_.graph().node(i);
    if (std::ranges::any_of(node.output(), [&](const std::string& output) { return needed.contains(output); }))
      needed.insert(node.input().begin(), node.input().end());
  }
  return std::ranges::all_of(onnx_.graph().input(), [&](const auto& input) { return needed.contains(input.name()); });
}

void GrowingGraph::AddOutputs() {
  std::vector<GrownValue> read, left;
  const std::vector<GrownValue> values = values_;
  for (const GrownValue& value : values)
    // Not all of them: what nobody needs is code to be dropped.
    if (value.is_read || (value.name != values.back().name && Chance(15)))
      (value.is_read ? read : left).push_back(value);
    else
      Output(value);
  if (!NeedsAllInputs())
    for (const GrownValue& value : left) Output(value);
  if (!read.empty() && Chance(20)) Output(OneOf(read));
}

}  // namespace punctual::test
