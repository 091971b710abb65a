#include "optimize/quantize.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "optimize/onnx_file.h"
#include "optimize/quantizable_layers.h"

namespace punctual::optimize {
namespace {

constexpr double kLargestWeight = 64;
// A bias may not use up the sums' 32 bits.
constexpr double kLargestBias = 0x1p29;
// Engines take numbers below the normal ones for zero; a bias's scale is the product of the two.
constexpr double kLeastActivationScale = 0x1p-40, kLeastWeightScale = 0x1p-80, kLargestScale = 0x1p120;
constexpr std::int64_t kLeastIrVersion = 7;  // that of opset 13

// Of an activation: x = scale * (code - zero).
struct Codes {
  float scale;
  std::uint8_t zero;
};

Codes CodesOf(const ValueRange& range) {
  const double width = static_cast<double>(range.high) - range.low;
  const double scale = std::clamp(width / 255, kLeastActivationScale, kLargestScale);
  return {static_cast<float>(scale), static_cast<std::uint8_t>(std::clamp(std::round(-range.low / scale), 0.0, 255.0))};
}

class Quantizer {
 public:
  Quantizer(onnx::ModelProto model, const ValueRanges& ranges)
      : model_(std::move(model)),
        before_(model_.graph()),
        values_(before_),
        ranges_(ranges),
        nodes_(before_.node().begin(), before_.node().end()),
        added_(nodes_.size() + 1),
        takes_codes_(nodes_.size(), false) {
    names_.insert("");
    for (const auto* const infos : {&before_.input(), &before_.output(), &before_.value_info()})
      for (const onnx::ValueInfoProto& info : *infos) names_.insert(info.name());
    for (const onnx::TensorProto& tensor : before_.initializer()) names_.insert(tensor.name());
    for (const onnx::NodeProto& node : before_.node()) {
      names_.insert(node.input().begin(), node.input().end());
      names_.insert(node.output().begin(), node.output().end());
      AddNamesInSubgraphs(node, names_);
    }
  }

  Result<QuantizedFile> Run(const QuantizeOptions& options) {
    PUNCTUAL_ASSIGN(std::vector<WeightedLayer> layers, FindWeightedLayers(before_, values_));
    PUNCTUAL_TRY(ExpectNames(options.in_float, layers));
    for (WeightedLayer& layer : layers) {
      if (layer.reason.empty() && options.in_float.contains(layer.name)) layer.reason = kLeftInFloat;
      if (layer.reason.empty() && RangeOf(InputOf(layer)) == nullptr)
        layer.reason = "its input \"" + InputOf(layer) + "\" was the same number in all samples";
    }
    PUNCTUAL_TRY(ExpectLayers(layers));
    FindWhoTakesCodes(layers);
    for (const WeightedLayer& layer : layers)
      if (layer.reason.empty()) WriteLayer(layer);
    if (options.also_behind) WriteCodesBehind();

    QuantizedFile file;
    for (const WeightedLayer& layer : layers)
      file.layers.push_back({layer.name, before_.node(layer.node).op_type(), layer.weights, layer.reason});
    file.onnx = Finished();
    return file;
  }

 private:
  static Result<void> ExpectNames(const std::set<std::string>& names, const std::vector<WeightedLayer>& layers) {
    for (const std::string& name : names) {
      const auto is_it = [&](const WeightedLayer& layer) { return layer.name == name; };
      if (std::any_of(layers.begin(), layers.end(), is_it)) continue;
      std::string all;
      for (const WeightedLayer& layer : layers) all += (all.empty() ? "" : ", ") + layer.name;
      return Fail(Code::kInvalidArgument, "in_float: the model has no layer \"" + name + "\"; it has " + all);
    }
    return {};
  }

  const std::string& InputOf(const WeightedLayer& layer) const { return before_.node(layer.node).input(0); }

  const ValueRange* RangeOf(const std::string& value) const {
    const auto found = ranges_.find(RangeSource(before_, values_, value));
    return found == ranges_.end() ? nullptr : &found->second;
  }

  // Backwards, so that those who read a value are known before the node that computes it.
  void FindWhoTakesCodes(const std::vector<WeightedLayer>& layers) {
    for (const WeightedLayer& layer : layers) takes_codes_[static_cast<std::size_t>(layer.node)] = layer.reason.empty();
    for (std::size_t i = nodes_.size(); i-- > 0;)
      if (const onnx::NodeProto& node = nodes_[i]; Arranges(node) || PicksLargest(node))
        takes_codes_[i] = GoesIntoCodes(node.output(0));
  }

  // Nobody wants the value in float.
  bool GoesIntoCodes(const std::string& value) const {
    const std::vector<int>& readers = values_.Readers(value);
    return !readers.empty() && !values_.IsSeen(value) && std::all_of(readers.begin(), readers.end(), [&](int reader) {
      return takes_codes_[static_cast<std::size_t>(reader)] && before_.node(reader).input(0) == value;
    });
  }

  // The value after it went through codes.
  std::string Coded(std::string value) {
    std::vector<int> passed;  // from the reader upwards
    for (int last = before_.node_size(); !coded_.contains(value);) {
      const int producer = values_.Producer(value);
      if (producer < 0 || producer >= last || !takes_codes_[static_cast<std::size_t>(producer)]) break;
      if (before_.node(producer).input_size() == 0 || values_.Constant(before_.node(producer).input(0)) != nullptr)
        break;
      if (!Arranges(before_.node(producer)) && !PicksLargest(before_.node(producer))) break;
      last = producer;
      passed.push_back(producer);
      value = before_.node(producer).input(0);
    }
    for (auto node = passed.rbegin(); node != passed.rend(); ++node) {
      nodes_[static_cast<std::size_t>(*node)].set_input(0, OwnCodes(value));
      value = before_.node(*node).output(0);
      // What was only arranged is still what codes give. Engines look for codes behind a MaxPool, and ONNX Runtime
      // (1.22) makes a Transpose part of a Gemm that it then computes wrongly, unless codes stand between.
      if (Arranges(before_.node(*node)) && !Is(before_.node(*node), "Transpose")) coded_.emplace(value, value);
    }
    return OwnCodes(value);
  }

  std::string OwnCodes(const std::string& value) {
    if (const auto known = coded_.find(value); known != coded_.end()) return known->second;
    const Codes codes = CodesOf(*RangeOf(value));
    const std::string scale = Constant(onnx::TensorProto::FLOAT, {}, std::vector{codes.scale});
    const std::string zero = Constant(onnx::TensorProto::UINT8, {}, std::vector{codes.zero});
    std::vector<onnx::NodeProto>& behind = added_[static_cast<std::size_t>(values_.Producer(value) + 1)];
    const std::string as_codes = Add("QuantizeLinear", {value, scale, zero}, behind);
    return coded_[value] = Add("DequantizeLinear", {as_codes, scale, zero}, behind);
  }

  std::string Add(const char* type, const std::vector<std::string>& inputs, std::vector<onnx::NodeProto>& nodes,
                  std::optional<std::int64_t> axis = std::nullopt) {
    onnx::NodeProto& node = nodes.emplace_back();
    node.set_op_type(type);
    for (const std::string& input : inputs) node.add_input(input);
    node.add_output(FreshName());
    if (axis.has_value()) {
      onnx::AttributeProto& attribute = *node.add_attribute();
      attribute.set_name("axis");
      attribute.set_type(onnx::AttributeProto::INT);
      attribute.set_i(*axis);
    }
    return node.output(0);
  }

  // Short: a small model's names would be a good part of its file.
  std::string FreshName() {
    std::string name;
    while (names_.contains(name)) name = "q" + std::to_string(next_name_++);
    names_.insert(name);
    return name;
  }

  // Equal ones once.
  template <class T>
  std::string Constant(onnx::TensorProto::DataType type, const std::vector<std::int64_t>& dims,
                       const std::vector<T>& numbers) {
    onnx::TensorProto tensor;
    tensor.set_data_type(type);
    for (const std::int64_t dimension : dims) tensor.add_dims(dimension);
    tensor.set_raw_data(numbers.data(), numbers.size() * sizeof(T));
    const auto [known, is_new] = constants_.emplace(tensor.SerializeAsString(), "");
    if (is_new) {
      tensor.set_name(known->second = FreshName());
      new_constants_.push_back(std::move(tensor));
    }
    return known->second;
  }

  void WriteLayer(const WeightedLayer& layer) {
    const auto at = static_cast<std::size_t>(layer.node);
    const std::string x = Coded(InputOf(layer));
    onnx::NodeProto& node = nodes_[at];
    node.set_input(0, x);
    const float x_scale = CodesOf(*RangeOf(InputOf(layer))).scale;
    const std::vector<float> scales = WeightScales(layer, x_scale);
    const std::vector<std::int64_t> by_channel = {static_cast<std::int64_t>(scales.size())};
    std::vector<onnx::NodeProto>& in_front = added_[at];
    const std::string weights = Constant(onnx::TensorProto::INT8, layer.numbers.dims, WeightCodes(layer, scales));
    const std::string zeros =
        Constant(onnx::TensorProto::INT8, by_channel, std::vector<std::int8_t>(scales.size(), std::int8_t{0}));
    const std::string scale = Constant(onnx::TensorProto::FLOAT, by_channel, scales);
    node.set_input(1, Add("DequantizeLinear", {weights, scale, zeros}, in_front, layer.channel_axis));
    if (layer.bias.has_value()) WriteBias(layer, scales, x_scale, in_front, node);
    DropFactors(node);
  }

  static std::size_t ChannelOf(const WeightedLayer& layer, std::size_t weight) {
    std::size_t inner = 1;
    for (std::size_t axis = static_cast<std::size_t>(layer.channel_axis) + 1; axis < layer.numbers.dims.size(); ++axis)
      inner *= static_cast<std::size_t>(layer.numbers.dims[axis]);
    return weight / inner % layer.channels();
  }

  static std::vector<float> WeightScales(const WeightedLayer& layer, float x_scale) {
    std::vector<double> largest(layer.channels(), 0);
    for (std::size_t i = 0; i < layer.weights; ++i) {
      double& of_channel = largest[ChannelOf(layer, i)];
      of_channel = std::max(of_channel, std::abs(static_cast<double>(layer.numbers.values[i])));
    }
    std::vector<float> scales;
    for (std::size_t channel = 0; channel < largest.size(); ++channel) {
      double scale = std::clamp(largest[channel] / kLargestWeight, kLeastWeightScale, kLargestScale);
      // Weights that are small beside their bias need not be exact.
      if (layer.bias.has_value())
        scale = std::max(scale, std::abs(static_cast<double>((*layer.bias)[channel])) / (kLargestBias * x_scale));
      scales.push_back(static_cast<float>(scale));
    }
    return scales;
  }

  static std::vector<std::int8_t> WeightCodes(const WeightedLayer& layer, const std::vector<float>& scales) {
    std::vector<std::int8_t> codes;
    for (std::size_t i = 0; i < layer.weights; ++i) {
      const double steps = static_cast<double>(layer.numbers.values[i]) / scales[ChannelOf(layer, i)];
      codes.push_back(static_cast<std::int8_t>(std::clamp(std::nearbyint(steps), -kLargestWeight, kLargestWeight)));
    }
    return codes;
  }

  // A bias is added to sums of products, so it has their scale.
  void WriteBias(const WeightedLayer& layer, std::vector<float> scales, float x_scale,
                 std::vector<onnx::NodeProto>& in_front, onnx::NodeProto& node) {
    std::vector<std::int32_t> steps;
    for (std::size_t i = 0; i < scales.size(); ++i) {
      scales[i] *= x_scale;
      steps.push_back(static_cast<std::int32_t>(std::llround(static_cast<double>((*layer.bias)[i]) / scales[i])));
    }
    const std::vector<std::int64_t> by_channel = {static_cast<std::int64_t>(scales.size())};
    const std::string codes = Constant(onnx::TensorProto::INT32, by_channel, steps);
    const std::string scale = Constant(onnx::TensorProto::FLOAT, by_channel, scales);
    node.set_input(2, Add("DequantizeLinear", {codes, scale}, in_front, 0));
  }

  // Those of a Gemm are in its weights and its bias.
  static void DropFactors(onnx::NodeProto& node) {
    auto& attributes = *node.mutable_attribute();
    for (int i = attributes.size(); i-- > 0;)
      if (attributes[i].name() == "alpha" || attributes[i].name() == "beta") attributes.DeleteSubrange(i, 1);
  }

  void WriteCodesBehind() {
    for (int i = 0; i < before_.node_size(); ++i) {
      const onnx::NodeProto& node = before_.node(i);
      if (!MayHaveCodesBehind(node)) continue;
      const std::string& value = node.output(0);
      // A Relu is a part of the codes' range.
      const auto is_part = [&](int reader) {
        return Is(before_.node(reader), "Relu") || Is(before_.node(reader), "Softmax");
      };
      const std::vector<int>& readers = values_.Readers(value);
      if (values_.IsSeen(value) || RangeOf(value) == nullptr || std::any_of(readers.begin(), readers.end(), is_part))
        continue;
      const std::string coded = OwnCodes(value);
      for (const int reader : readers)
        for (std::string& input : *nodes_[static_cast<std::size_t>(reader)].mutable_input())
          if (input == value) input = coded;
    }
  }

  std::string Finished() {
    onnx::ModelProto finished = model_;
    finished.set_ir_version(std::max(finished.ir_version(), kLeastIrVersion));
    onnx::GraphProto& graph = *finished.mutable_graph();
    // Engines infer what is between; tools' notes would be most of a small file.
    graph.clear_value_info();
    graph.clear_quantization_annotation();
    graph.clear_node();
    for (std::size_t i = 0; i < added_.size(); ++i) {
      for (onnx::NodeProto& node : added_[i]) graph.add_node()->Swap(&node);
      if (i < nodes_.size()) graph.add_node()->Swap(&nodes_[i]);
    }
    for (onnx::TensorProto& tensor : new_constants_) graph.add_initializer()->Swap(&tensor);
    DropUnused(graph);
    return finished.SerializeAsString();
  }

  // Nodes that no output needs, then constants that no node reads.
  static void DropUnused(onnx::GraphProto& graph) {
    std::set<std::string> used;
    for (const onnx::ValueInfoProto& output : graph.output()) used.insert(output.name());
    std::vector<int> unused;
    for (int i = graph.node_size(); i-- > 0;) {
      onnx::NodeProto& node = *graph.mutable_node(i);
      node.clear_doc_string();
      const auto is_used = [&](const std::string& output) { return used.contains(output); };
      if (std::none_of(node.output().begin(), node.output().end(), is_used)) {
        unused.push_back(i);
        continue;
      }
      used.insert(node.input().begin(), node.input().end());
      AddNamesInSubgraphs(node, used);
    }
    Remove(*graph.mutable_node(), [&, next = unused.rbegin()](const onnx::NodeProto&, int i) mutable {
      const bool is_unused = next != unused.rend() && *next == i;
      if (is_unused) ++next;
      return is_unused;
    });
    // Old files list constants among the inputs.
    std::set<std::string> dropped;
    for (const onnx::TensorProto& tensor : graph.initializer())
      if (!used.contains(tensor.name())) dropped.insert(tensor.name());
    Remove(*graph.mutable_input(),
           [&](const onnx::ValueInfoProto& input, int) { return dropped.contains(input.name()); });
    Remove(*graph.mutable_initializer(),
           [&](const onnx::TensorProto& tensor, int) { return dropped.contains(tensor.name()); });
  }

  template <class Field, class Goes>
  static void Remove(Field& field, Goes goes) {
    int kept = 0;
    for (int i = 0; i < field.size(); ++i) {
      if (goes(field[i], i)) continue;
      if (kept != i) field.SwapElements(kept, i);
      ++kept;
    }
    field.DeleteSubrange(kept, field.size() - kept);
  }

  const onnx::ModelProto model_;
  const onnx::GraphProto& before_;
  const GraphValues values_;
  const ValueRanges& ranges_;
  std::vector<onnx::NodeProto> nodes_;               // those of before_, as they become
  std::vector<std::vector<onnx::NodeProto>> added_;  // in front of each of them
  std::vector<bool> takes_codes_;                    // by node: its first input may be codes
  std::map<std::string, std::string> coded_;         // values by what they are after codes
  std::map<std::string, std::string> constants_;     // names by content
  std::vector<onnx::TensorProto> new_constants_;
  std::set<std::string> names_;
  std::size_t next_name_ = 0;
};

}  // namespace

Result<std::vector<LayerReport>> ListLayers(std::string_view onnx) {
  PUNCTUAL_ASSIGN(const onnx::ModelProto model, ParseForQuantizing(onnx));
  PUNCTUAL_ASSIGN(const auto layers, FindWeightedLayers(model.graph(), GraphValues(model.graph())));
  PUNCTUAL_TRY(ExpectLayers(layers));
  std::vector<LayerReport> reports;
  for (const WeightedLayer& layer : layers)
    reports.push_back({layer.name, model.graph().node(layer.node).op_type(), layer.weights, layer.reason});
  return reports;
}

Result<QuantizedFile> Quantize(std::string_view onnx, const ValueRanges& ranges, const QuantizeOptions& options) {
  PUNCTUAL_ASSIGN(onnx::ModelProto model, ParseForQuantizing(onnx));
  return Quantizer(std::move(model), ranges).Run(options);
}

}  // namespace punctual::optimize
