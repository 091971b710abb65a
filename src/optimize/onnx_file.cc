#include "optimize/onnx_file.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace punctual::optimize {
namespace {

static_assert(std::endian::native == std::endian::little, "raw data of ONNX files is little-endian");

constexpr std::int64_t kLeastOpset = 13;

bool IsOnnx(const std::string& domain) { return domain.empty() || domain == "ai.onnx"; }

Result<void> CheckOpset(const onnx::ModelProto& model) {
  for (const auto& opset : model.opset_import())
    if (IsOnnx(opset.domain())) {
      if (opset.version() >= kLeastOpset) return {};
      return Fail(Code::kFailedPrecondition,
                  "model: is of opset " + std::to_string(opset.version()) +
                      ", and codes per channel came with opset 13; export it again with opset 13 to 17, or convert it: "
                      "python -c \"import onnx, onnx.version_converter as c; "
                      "onnx.save(c.convert_version(onnx.load('model.onnx'), 13), 'model.onnx')\"");
    }
  return Fail(Code::kInvalidArgument, "model: does not say which opset of ONNX's own operators it uses");
}

Result<void> CheckInside(const onnx::TensorProto& tensor) {
  if (tensor.data_location() != onnx::TensorProto::EXTERNAL && tensor.external_data_size() == 0) return {};
  return Fail(Code::kFailedPrecondition, "model: \"" + tensor.name() +
                                             "\" is kept outside of the file; save the model with its weights inside "
                                             "(onnx.save(onnx.load('model.onnx'), 'one_file.onnx'))");
}

}  // namespace

Result<onnx::ModelProto> ParseForQuantizing(std::string_view onnx) {
  onnx::ModelProto model;
  if (onnx.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !model.ParseFromArray(onnx.data(), static_cast<int>(onnx.size())) || !model.has_graph())
    return Fail(Code::kInvalidArgument, "model: is no ONNX file");
  PUNCTUAL_TRY(CheckOpset(model));
  for (const onnx::TensorProto& tensor : model.graph().initializer()) PUNCTUAL_TRY(CheckInside(tensor));
  for (const onnx::NodeProto& node : model.graph().node()) {
    if (Is(node, "QuantizeLinear") || Is(node, "DequantizeLinear") || node.op_type().starts_with("QLinear"))
      return Fail(Code::kFailedPrecondition, "model: has " + node.op_type() + " \"" + node.name() +
                                                 "\": it is quantised already; start from the file in float");
    for (const onnx::AttributeProto& attribute : node.attribute())
      if (attribute.has_t()) PUNCTUAL_TRY(CheckInside(attribute.t()));
  }
  return model;
}

bool Is(const onnx::NodeProto& node, std::string_view type) { return node.op_type() == type && IsOnnx(node.domain()); }

const onnx::AttributeProto* FindAttribute(const onnx::NodeProto& node, std::string_view name) {
  for (const onnx::AttributeProto& attribute : node.attribute())
    if (attribute.name() == name) return &attribute;
  return nullptr;
}

std::int64_t IntOf(const onnx::NodeProto& node, std::string_view name, std::int64_t otherwise) {
  const onnx::AttributeProto* const attribute = FindAttribute(node, name);
  return attribute == nullptr ? otherwise : attribute->i();
}

float FloatOf(const onnx::NodeProto& node, std::string_view name, float otherwise) {
  const onnx::AttributeProto* const attribute = FindAttribute(node, name);
  return attribute == nullptr ? otherwise : attribute->f();
}

const std::string& InputOf(const onnx::NodeProto& node, int i) {
  static const std::string none;
  return i < node.input_size() ? node.input(i) : none;
}

void AddNamesInSubgraphs(const onnx::NodeProto& node, std::set<std::string>& names) {
  const auto add = [&names](const onnx::GraphProto& graph) {
    for (const onnx::NodeProto& inner : graph.node()) {
      names.insert(inner.input().begin(), inner.input().end());
      AddNamesInSubgraphs(inner, names);
    }
    for (const onnx::ValueInfoProto& output : graph.output()) names.insert(output.name());
  };
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.has_g()) add(attribute.g());
    for (const onnx::GraphProto& graph : attribute.graphs()) add(graph);
  }
}

GraphValues::GraphValues(const onnx::GraphProto& graph) {
  for (const onnx::TensorProto& tensor : graph.initializer()) constants_[tensor.name()] = &tensor;
  for (int i = 0; i < graph.node_size(); ++i) {
    const onnx::NodeProto& node = graph.node(i);
    for (const std::string& output : node.output())
      if (!output.empty()) producers_[output] = i;
    for (const std::string& input : node.input())
      if (auto& readers = readers_[input]; readers.empty() || readers.back() != i) readers.push_back(i);
    AddNamesInSubgraphs(node, seen_);
    const onnx::AttributeProto* const value = Is(node, "Constant") ? FindAttribute(node, "value") : nullptr;
    if (value != nullptr && node.output_size() == 1) constants_[node.output(0)] = &value->t();
    // Nodes stand in the order in which they are computed.
    if (Is(node, "Identity") && node.output_size() == 1)
      if (const auto found = constants_.find(InputOf(node, 0)); found != constants_.end())
        constants_[node.output(0)] = found->second;
  }
  for (const onnx::ValueInfoProto& output : graph.output()) seen_.insert(output.name());
}

int GraphValues::Producer(const std::string& value) const {
  const auto found = producers_.find(value);
  return found == producers_.end() ? -1 : found->second;
}

const std::vector<int>& GraphValues::Readers(const std::string& value) const {
  static const std::vector<int> none;
  const auto found = readers_.find(value);
  return found == readers_.end() ? none : found->second;
}

const onnx::TensorProto* GraphValues::Constant(const std::string& value) const {
  const auto found = constants_.find(value);
  return found == constants_.end() ? nullptr : found->second;
}

Result<FloatConstant> GraphValues::Floats(const std::string& value) const {
  const onnx::TensorProto& tensor = *Constant(value);
  const std::string what = "\"" + value + "\"";
  if (tensor.data_type() != onnx::TensorProto::FLOAT)
    return Fail(Code::kFailedPrecondition,
                what + " is of type " +
                    onnx::TensorProto::DataType_Name(static_cast<onnx::TensorProto::DataType>(tensor.data_type())) +
                    ", not FLOAT");
  FloatConstant constant{{tensor.dims().begin(), tensor.dims().end()}, {}};
  // Counted down from the numbers that there are: sizes of a file can be anything.
  const std::size_t there = tensor.has_raw_data() ? tensor.raw_data().size() / sizeof(float)
                                                  : static_cast<std::size_t>(tensor.float_data_size());
  const bool is_empty = std::ranges::find(constant.dims, 0) != constant.dims.end();
  std::size_t count = is_empty ? 0 : 1;
  for (const std::int64_t dimension : constant.dims) {
    if (dimension < 0 || (count != 0 && static_cast<std::size_t>(dimension) > there / count)) count = there + 1;
    if (count > there) break;
    count *= static_cast<std::size_t>(dimension);
  }
  if (count != there || (tensor.has_raw_data() && tensor.raw_data().size() % sizeof(float) != 0))
    return Fail(Code::kInvalidArgument, what + " has not as many numbers as its shape says; the file is damaged");
  constant.values.resize(count);
  if (tensor.has_raw_data() && count != 0)
    std::memcpy(constant.values.data(), tensor.raw_data().data(), count * sizeof(float));
  else
    std::copy(tensor.float_data().begin(), tensor.float_data().end(), constant.values.begin());
  if (!std::all_of(constant.values.begin(), constant.values.end(), [](float number) { return std::isfinite(number); }))
    return Fail(Code::kInvalidArgument,
                what + " holds NaN or infinite numbers; a training that diverged makes such files");
  return constant;
}

}  // namespace punctual::optimize
