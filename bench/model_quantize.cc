#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "model_kinds.h"
#include "reference.h"

namespace punctual {

namespace {

constexpr std::uint32_t kCalibrationInputs = 16;
constexpr double kLargestWeight = 63;  // of 7 bits: two products of one and an activation fit into 16 bits

// The codes of a value: x = scale * (code - zero).
struct Codes {
  float scale;
  std::uint8_t zero;
};

using Ranges = std::map<std::string, std::pair<double, double>>;

Result<Ranges> Calibrate(const onnx::GraphProto& graph) {
  Ranges ranges;
  for (std::uint32_t i = 0; i < kCalibrationInputs; ++i) {
    // Others than those that the model is measured with.
    PUNCTUAL_ASSIGN(const DoubleValues values, ComputeReference(graph, ReferenceInput(graph, 5000 + i)));
    for (const auto& [name, tensor] : values) {
      auto& [low, high] = ranges[name];  // zero is among them: padding has it
      for (const double value : tensor.values) {
        low = std::min(low, value);
        high = std::max(high, value);
      }
    }
  }
  return ranges;
}

class Quantizer {
 public:
  Quantizer(const OnnxGraph& model, Ranges ranges, bool behind)
      : before_(model.graph()), ranges_(std::move(ranges)), behind_(behind), graph_(model) {
    for (const onnx::TensorProto& constant : before_.initializer()) constants_[constant.name()] = &constant;
    graph_.graph().clear_node();
  }

  OnnxGraph Run() {
    for (const onnx::NodeProto& node : before_.node()) {
      const std::string& type = node.op_type();
      onnx::NodeProto copy = node;
      if (type == "Conv" || type == "Gemm") {
        copy.set_input(0, Coded(node.input(0)));
        Quantize(node, copy);
      } else if (type == "MaxPool" && IsCoded(node.input(0))) {
        copy.set_input(0, Coded(node.input(0)));
        codes_.insert_or_assign(node.output(0), CodesOf(node.input(0)));  // the largest of codes is one of them
      } else {
        for (std::string& input : *copy.mutable_input())
          if (const auto coded = coded_.find(input); behind_ && coded != coded_.end()) input = coded->second;
      }
      *graph_.graph().add_node() = copy;
      if (behind_ && NeedsCodesBehind(node)) Coded(node.output(0));
    }
    DropUnused();
    return graph_;
  }

 private:
  Codes CodesOf(const std::string& value) {
    const auto known = codes_.find(value);
    if (known != codes_.end()) return known->second;
    const auto [low, high] = ranges_.at(value);
    const double scale = std::max(high - low, 1e-6) / 255;
    return {static_cast<float>(scale), static_cast<std::uint8_t>(std::clamp(std::round(-low / scale), 0.0, 255.0))};
  }

  // The value after it went through codes.
  std::string Coded(const std::string& value) {
    if (const auto known = coded_.find(value); known != coded_.end()) return known->second;
    const Codes codes = CodesOf(value);
    const std::string scale = graph_.Scalar(codes.scale);
    const std::string zero = graph_.Constant(onnx::TensorProto::UINT8, {}, std::vector<std::uint8_t>{codes.zero});
    const std::string as_codes = graph_.Add("QuantizeLinear", {value, scale, zero});
    return coded_[value] = graph_.Add("DequantizeLinear", {as_codes, scale, zero});
  }

  // Somebody reads it as codes.
  bool IsCoded(const std::string& value) const {
    return std::any_of(before_.node().begin(), before_.node().end(), [&](const onnx::NodeProto& node) {
      return (node.op_type() == "Conv" || node.op_type() == "Gemm") && node.input(0) == value;
    });
  }

  bool NeedsCodesBehind(const onnx::NodeProto& node) const {
    for (const onnx::ValueInfoProto& output : before_.output())
      if (output.name() == node.output(0)) return false;
    for (const onnx::NodeProto& reader : before_.node())
      for (const std::string& input : reader.input())
        // A Relu is a part of the codes' range.
        if (input == node.output(0) && (reader.op_type() == "Relu" || reader.op_type() == "Softmax")) return false;
    const std::string& type = node.op_type();
    return type == "Conv" || type == "Gemm" || type == "Relu" || type == "LeakyRelu" || type == "MaxPool" ||
           type == "Concat";
  }

  // Weights and bias of a node, per channel of its output.
  void Quantize(const onnx::NodeProto& node, onnx::NodeProto& copy) {
    const DoubleTensor weights = ToDouble(*constants_.at(node.input(1)));
    const std::size_t axis = node.op_type() == "Conv" ? 0 : 1;
    const auto channels = static_cast<std::size_t>(weights.dims[axis]);
    const auto row = static_cast<std::size_t>(weights.Span(static_cast<std::int64_t>(axis) + 1, weights.rank()));
    std::vector<float> scales(channels, 0.0f);
    for (std::size_t i = 0; i < weights.values.size(); ++i) {
      float& scale = scales[i / row % channels];
      scale = std::max(scale, static_cast<float>(std::abs(weights.values[i]) / kLargestWeight));
    }
    std::vector<std::int8_t> codes(weights.values.size());
    for (std::size_t i = 0; i < codes.size(); ++i)
      codes[i] =
          static_cast<std::int8_t>(std::nearbyint(weights.values[i] / static_cast<double>(scales[i / row % channels])));
    const OnnxDims per_channel = {static_cast<std::int64_t>(channels)};
    const std::string as_codes = graph_.Constant(onnx::TensorProto::INT8, weights.dims, codes);
    const std::string zeros =
        graph_.Constant(onnx::TensorProto::INT8, per_channel, std::vector<std::int8_t>(channels, std::int8_t{0}));
    copy.set_input(1, graph_.Add("DequantizeLinear", {as_codes, graph_.Floats(per_channel, scales), zeros},
                                 {{"axis", static_cast<std::int64_t>(axis)}}));

    // A bias is added to sums of products, so it has their scale.
    const DoubleTensor bias = ToDouble(*constants_.at(node.input(2)));
    std::vector<std::int32_t> sums(channels);
    for (std::size_t i = 0; i < channels; ++i) {
      scales[i] *= CodesOf(node.input(0)).scale;
      sums[i] = static_cast<std::int32_t>(std::nearbyint(bias.values[i] / static_cast<double>(scales[i])));
    }
    const std::string as_sums = graph_.Constant(onnx::TensorProto::INT32, per_channel, sums);
    const std::string no_zeros =
        graph_.Constant(onnx::TensorProto::INT32, per_channel, std::vector<std::int32_t>(channels, 0));
    copy.set_input(2, graph_.Add("DequantizeLinear", {as_sums, graph_.Floats(per_channel, scales), no_zeros},
                                 {{"axis", std::int64_t{0}}}));
  }

  void DropUnused() {
    std::set<std::string> used;
    for (const onnx::NodeProto& node : graph_.graph().node()) used.insert(node.input().begin(), node.input().end());
    auto& constants = *graph_.graph().mutable_initializer();
    for (int i = constants.size(); i-- > 0;)
      if (!used.contains(constants[i].name())) constants.DeleteSubrange(i, 1);
  }

  const onnx::GraphProto& before_;
  const Ranges ranges_;
  const bool behind_;
  OnnxGraph graph_;
  std::map<std::string, const onnx::TensorProto*> constants_;
  std::map<std::string, Codes> codes_;        // those that are not by the range
  std::map<std::string, std::string> coded_;  // values by what they are after codes
};

}  // namespace

Result<OnnxGraph> Quantized(const OnnxGraph& model, bool behind) {
  PUNCTUAL_ASSIGN(Ranges ranges, Calibrate(model.graph()));
  return Quantizer(model, std::move(ranges), behind).Run();
}

}  // namespace punctual
