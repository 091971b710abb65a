#include "model/input_codes.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <optional>
#include <string>

namespace punctual {

namespace {

static_assert(std::endian::native == std::endian::little, "raw data of ONNX files is little-endian");

Error NoCodes(const std::string& what) { return Fail(Code::kFailedPrecondition, what); }

bool IsQuantizer(const onnx::NodeProto& node) {
  return node.op_type() == "QuantizeLinear" && (node.domain().empty() || node.domain() == "ai.onnx");
}

bool IsTrees(const onnx::NodeProto& node) {
  return node.domain() == "ai.onnx.ml" &&
         (node.op_type() == "TreeEnsembleClassifier" || node.op_type() == "TreeEnsembleRegressor");
}

std::string NodeText(const onnx::NodeProto& node) {
  const std::string& name = !node.name().empty() || node.output_size() == 0 ? node.name() : node.output(0);
  return "node \"" + name + "\" (" + node.op_type() + ")";
}

template <class Names>
bool Contains(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

const onnx::AttributeProto* FindAttribute(const onnx::NodeProto& node, const char* name) {
  for (const onnx::AttributeProto& attribute : node.attribute())
    if (attribute.name() == name) return &attribute;
  return nullptr;
}

// Whether a graph inside a node (a branch, a loop's body), or one inside of those, speaks of `name`.
bool MentionedIn(const onnx::GraphProto& graph, const std::string& name);
bool MentionedInside(const onnx::NodeProto& node, const std::string& name) {
  return std::any_of(node.attribute().begin(), node.attribute().end(), [&](const onnx::AttributeProto& attribute) {
    return MentionedIn(attribute.g(), name) ||
           std::any_of(attribute.graphs().begin(), attribute.graphs().end(),
                       [&](const onnx::GraphProto& graph) { return MentionedIn(graph, name); });
  });
}
bool MentionedIn(const onnx::GraphProto& graph, const std::string& name) {
  return std::any_of(graph.output().begin(), graph.output().end(),
                     [&](const onnx::ValueInfoProto& output) { return output.name() == name; }) ||
         std::any_of(graph.node().begin(), graph.node().end(), [&](const onnx::NodeProto& node) {
           return Contains(node.input(), name) || MentionedInside(node, name);
         });
}

// Of a scalar or a list: nullopt if it is anything else, or what it holds is not as much as its shape says.
std::optional<std::size_t> CountOf(const onnx::TensorProto& tensor, std::size_t element_bytes, int listed) {
  if (tensor.dims_size() > 1 || tensor.data_location() == onnx::TensorProto::EXTERNAL) return std::nullopt;
  const std::size_t there = tensor.has_raw_data() ? tensor.raw_data().size() : static_cast<std::size_t>(listed);
  const std::size_t count = tensor.has_raw_data() ? there / element_bytes : there;
  const std::int64_t said = tensor.dims_size() == 0 ? 1 : tensor.dims(0);
  if (said < 1 || static_cast<std::uint64_t>(said) != count) return std::nullopt;
  if (tensor.has_raw_data() && there % element_bytes != 0) return std::nullopt;
  return count;
}

std::optional<std::vector<float>> FloatsOf(const onnx::TensorProto& tensor) {
  const auto count = CountOf(tensor, sizeof(float), tensor.float_data_size());
  if (tensor.data_type() != onnx::TensorProto::FLOAT || !count) return std::nullopt;
  std::vector<float> values(tensor.float_data().begin(), tensor.float_data().end());
  if (tensor.has_raw_data()) {
    values.resize(*count);
    std::memcpy(values.data(), tensor.raw_data().data(), *count * sizeof(float));
  }
  return values;
}

template <class T>
std::optional<std::vector<std::int32_t>> WholeNumbersOf(const onnx::TensorProto& tensor) {
  const auto count = CountOf(tensor, sizeof(T), tensor.int32_data_size());
  if (!count) return std::nullopt;
  std::vector<std::int32_t> values(tensor.int32_data().begin(), tensor.int32_data().end());
  if (tensor.has_raw_data()) {
    std::vector<T> raw(*count);
    std::memcpy(raw.data(), tensor.raw_data().data(), *count * sizeof(T));
    values.assign(raw.begin(), raw.end());
  }
  return values;
}

std::optional<std::vector<std::int32_t>> ZeroPointsOf(const onnx::TensorProto& tensor) {
  switch (tensor.data_type()) {
    case onnx::TensorProto::UINT8: return WholeNumbersOf<std::uint8_t>(tensor);
    case onnx::TensorProto::INT8: return WholeNumbersOf<std::int8_t>(tensor);
    case onnx::TensorProto::UINT16: return WholeNumbersOf<std::uint16_t>(tensor);
    case onnx::TensorProto::INT16: return WholeNumbersOf<std::int16_t>(tensor);
    default: return std::nullopt;
  }
}

std::optional<CodeType> CodeTypeOf(std::int64_t onnx_type) {
  switch (onnx_type) {
    case onnx::TensorProto::UINT8: return CodeType::kUint8;
    case onnx::TensorProto::INT8: return CodeType::kInt8;
    case onnx::TensorProto::UINT16: return CodeType::kUint16;
    case onnx::TensorProto::INT16: return CodeType::kInt16;
    default: return std::nullopt;
  }
}

std::optional<SplitMode> SplitModeOf(const std::string& mode) {
  if (mode == "BRANCH_LEQ") return SplitMode::kLessOrEqual;
  if (mode == "BRANCH_LT") return SplitMode::kLess;
  if (mode == "BRANCH_GTE") return SplitMode::kGreaterOrEqual;
  if (mode == "BRANCH_GT") return SplitMode::kGreater;
  if (mode == "BRANCH_EQ") return SplitMode::kEqual;
  if (mode == "BRANCH_NEQ") return SplitMode::kNotEqual;
  return std::nullopt;
}

}  // namespace

class OnnxInputReader {
 public:
  explicit OnnxInputReader(const onnx::ModelProto& model) : model_(model), graph_(model.graph()) {
    // A name that stands there twice, or that whoever runs the model may set, is no constant.
    for (const onnx::TensorProto& tensor : graph_.initializer()) AddConstant(tensor.name(), &tensor);
    for (const onnx::NodeProto& node : graph_.node()) {
      const onnx::AttributeProto* value = FindAttribute(node, "value");
      const bool constant = node.op_type() == "Constant" && node.domain().empty() && value != nullptr && value->has_t();
      for (const std::string& output : node.output()) AddConstant(output, constant ? &value->t() : nullptr);
    }
    for (const onnx::ValueInfoProto& input : graph_.input()) AddConstant(input.name(), nullptr);
  }

  Result<InputCodes> Read(std::span<const TensorSpec> inputs) const {
    InputCodes codes;
    for (const TensorSpec& spec : inputs) {
      auto coder = ReadInput(spec);
      if (coder.has_error()) return NoCodes("input \"" + spec.name + "\" " + coder.error().message);
      PUNCTUAL_ASSIGN(const std::size_t elements, ElementCount(spec.shape));
      codes.inputs_.push_back({std::move(coder).value(), elements});
    }
    return codes;
  }

 private:
  void AddConstant(const std::string& name, const onnx::TensorProto* tensor) {
    const auto [at, added] = constants_.emplace(name, tensor);
    if (!added) at->second = nullptr;
  }

  std::int64_t Version(const std::string& domain) const {
    for (const auto& opset : model_.opset_import())
      if (opset.domain() == domain || (domain.empty() && opset.domain() == "ai.onnx")) return opset.version();
    return 0;
  }

  // Errors here and below go on after `input "NAME" `.
  Result<InputCodes::Coder> ReadInput(const TensorSpec& spec) const {
    if (spec.dtype != DType::kFloat32) return NoCodes("is not FP32");
    const auto input = std::find_if(graph_.input().begin(), graph_.input().end(),
                                    [&](const onnx::ValueInfoProto& value) { return value.name() == spec.name; });
    if (input == graph_.input().end()) return NoCodes("is not one of the file's own");
    if (input->type().tensor_type().elem_type() != onnx::TensorProto::FLOAT) return NoCodes("is not FLOAT in the file");
    PUNCTUAL_ASSIGN(const auto readers, ReadersOf(spec.name));
    if (IsQuantizer(*readers[0])) return ReadQuantizers(readers, spec);
    return ReadTrees(readers, spec);
  }

  // All nodes that read the input: all quantisers, or all trees.
  Result<std::vector<const onnx::NodeProto*>> ReadersOf(const std::string& name) const {
    for (const onnx::ValueInfoProto& output : graph_.output())
      if (output.name() == name) return NoCodes("is also an output");
    std::vector<const onnx::NodeProto*> readers;
    for (const onnx::NodeProto& node : graph_.node()) {
      if (MentionedInside(node, name)) return NoCodes("is read inside of " + NodeText(node));
      if (!Contains(node.input(), name)) continue;
      // What a file defines itself does not have to be what its name says.
      const bool defined = std::any_of(model_.functions().begin(), model_.functions().end(),
                                       [&](const auto& function) { return function.name() == node.op_type(); });
      if (defined || !(IsQuantizer(node) || IsTrees(node)) ||
          (!readers.empty() && IsTrees(node) != IsTrees(*readers[0])))
        return NoCodes((readers.empty() ? "is read by " : "is also read by ") + NodeText(node) +
                       ", which takes it as it is: only a model that quantises its inputs first (QuantizeLinear), or "
                       "that is made of trees, cannot tell inputs apart. Quantise the model, take the kind "
                       "\"approximate\", or remove [semantic]");
      if (std::count(node.input().begin(), node.input().end(), name) != 1 || node.input(0) != name)
        return NoCodes("is also a parameter of " + NodeText(node));
      readers.push_back(&node);
    }
    if (readers.empty()) return NoCodes("is read by no node");
    return readers;
  }

  const onnx::TensorProto* ConstantOf(const onnx::NodeProto& node, int input) const {
    const auto found = constants_.find(node.input(input));
    return found == constants_.end() ? nullptr : found->second;
  }

  Result<InputCodes::Coder> ReadQuantizers(std::span<const onnx::NodeProto* const> nodes,
                                           const TensorSpec& spec) const {
    const std::int64_t version = Version("");
    if (version < 10 || version > 21)
      return NoCodes("is quantised by opset " + std::to_string(version) + "; 10 to 21 are known");
    std::optional<InputQuantizer> first;
    for (const onnx::NodeProto* node : nodes) {
      auto quantizer = ReadQuantizer(*node, spec, version);
      if (quantizer.has_error()) return NoCodes("is read by " + NodeText(*node) + ": " + quantizer.error().message);
      if (first && *first != *quantizer)
        return NoCodes("is quantised in two ways, by " + NodeText(*nodes[0]) + " and " + NodeText(*node));
      first = std::move(quantizer).value();
    }
    return InputCodes::Coder(*std::move(first));
  }

  // Errors go on after the node's name.
  Result<InputQuantizer> ReadQuantizer(const onnx::NodeProto& node, const TensorSpec& spec,
                                       std::int64_t version) const {
    std::int64_t axis = 1, output_type = 0;  // 0: that of the zero point
    for (const onnx::AttributeProto& attribute : node.attribute()) {
      if (attribute.name() == "axis")
        axis = attribute.i();
      else if (attribute.name() == "output_dtype")
        output_type = attribute.i();
      else if (attribute.name() != "saturate" && (attribute.name() != "block_size" || attribute.i() != 0))
        return NoCodes("its attribute " + attribute.name() + " is not known");
    }
    const onnx::TensorProto* scale = node.input_size() > 1 ? ConstantOf(node, 1) : nullptr;
    const auto scales = scale != nullptr ? FloatsOf(*scale) : std::nullopt;
    if (!scales) return NoCodes("its scale is not a constant of FLOAT");
    std::vector<std::int32_t> zero_points(scales->size());
    if (node.input_size() > 2 && !node.input(2).empty()) {
      const onnx::TensorProto* zero_point = ConstantOf(node, 2);
      const auto read = zero_point != nullptr ? ZeroPointsOf(*zero_point) : std::nullopt;
      if (!read || read->size() != scales->size())
        return NoCodes("its zero point is not a constant like its scale, of 8 or 16 bits");
      if (output_type != 0 && output_type != zero_point->data_type())
        return NoCodes("its zero point is not of its output_dtype");
      output_type = zero_point->data_type();
      zero_points = *read;
    }
    if (output_type == 0) output_type = onnx::TensorProto::UINT8;
    const auto type = CodeTypeOf(output_type);
    if (!type) return NoCodes("its output_dtype is not of 8 or 16 bits");

    std::vector<InputQuantizer::Step> steps;
    for (std::size_t i = 0; i < scales->size(); ++i) steps.push_back({(*scales)[i], zero_points[i]});
    std::size_t run = std::numeric_limits<std::size_t>::max();
    if (steps.size() > 1) {
      const std::int64_t rank = static_cast<std::int64_t>(spec.shape.size());
      if (axis < 0) axis += rank;
      if (version < 13 || axis < 0 || axis >= rank || spec.shape[static_cast<std::size_t>(axis)] != std::ssize(steps))
        return NoCodes("its scales do not fit the input's shape, " + ShapeText(spec.shape));
      run = 1;
      for (std::size_t i = static_cast<std::size_t>(axis) + 1; i < spec.shape.size(); ++i)
        run *= static_cast<std::size_t>(spec.shape[i]);
    }
    return InputQuantizer::Make(*type, std::move(steps), run);
  }

  Result<InputCodes::Coder> ReadTrees(std::span<const onnx::NodeProto* const> nodes, const TensorSpec& spec) const {
    if (const std::int64_t version = Version("ai.onnx.ml"); version < 1 || version > 3)
      return NoCodes("is read by trees of ai.onnx.ml " + std::to_string(version) + "; 1 to 3 are known");
    PUNCTUAL_ASSIGN(const std::size_t features, ElementCount(spec.shape));
    if (spec.shape.empty() || static_cast<std::uint64_t>(spec.shape.back()) != features)
      return NoCodes("is not one row of features, but " + ShapeText(spec.shape));
    SplitBins bins(features);
    for (const onnx::NodeProto* node : nodes)
      if (!AddSplits(*node, features, bins))
        return NoCodes("is read by " + NodeText(*node) + ", whose trees are not known");
    bins.Finish();
    return InputCodes::Coder(std::move(bins));
  }

  static bool AddSplits(const onnx::NodeProto& node, std::size_t features, SplitBins& bins) {
    const onnx::AttributeProto* ids = FindAttribute(node, "nodes_featureids");
    const onnx::AttributeProto* values = FindAttribute(node, "nodes_values");
    const onnx::AttributeProto* modes = FindAttribute(node, "nodes_modes");
    if (ids == nullptr || values == nullptr || modes == nullptr || FindAttribute(node, "nodes_values_as_tensor"))
      return false;
    if (ids->ints_size() != modes->strings_size() || values->floats_size() != modes->strings_size()) return false;
    for (int i = 0; i < modes->strings_size(); ++i) {
      if (modes->strings(i) == "LEAF") continue;
      const auto mode = SplitModeOf(modes->strings(i));
      if (!mode || ids->ints(i) < 0 || static_cast<std::uint64_t>(ids->ints(i)) >= features) return false;
      if (std::isnan(values->floats(i))) return false;
      bins.Add(static_cast<std::size_t>(ids->ints(i)), *mode, values->floats(i));
    }
    return true;
  }

  const onnx::ModelProto& model_;
  const onnx::GraphProto& graph_;
  std::map<std::string, const onnx::TensorProto*> constants_;  // nullptr: of that name, but not constant
};

Result<InputCodes> InputCodes::FromOnnx(std::string_view model_file, std::span<const TensorSpec> inputs) {
  onnx::ModelProto model;
  if (model_file.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !model.ParseFromArray(model_file.data(), static_cast<int>(model_file.size())) || !model.has_graph())
    return Fail(Code::kInvalidArgument, "is no ONNX file");
  return OnnxInputReader(model).Read(inputs);
}

std::size_t InputCodes::CodeBytes(std::size_t i) const {
  const Input& input = inputs_[i];
  return input.elements * std::visit([](const auto& coder) { return coder.bytes_per_code(); }, input.coder);
}

void InputCodes::Encode(std::size_t i, std::span<const float> values, std::span<std::byte> out) const {
  std::visit([&](const auto& coder) { coder.Encode(values, out); }, inputs_[i].coder);
}

void InputCodes::Canonicalise(std::size_t i, std::span<float> values) const {
  std::visit([&](const auto& coder) { coder.Canonicalise(values); }, inputs_[i].coder);
}

}  // namespace punctual
