#include "optimize/quantizable_layers.h"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

namespace punctual::optimize {
namespace {

class Finder {
 public:
  Finder(const onnx::GraphProto& graph, const GraphValues& values) : graph_(graph), values_(values) {
    for (const onnx::NodeProto& node : graph.node()) ++names_[node.name()];
  }

  Result<std::vector<WeightedLayer>> Find() const {
    std::vector<WeightedLayer> layers;
    for (int i = 0; i < graph_.node_size(); ++i) {
      const onnx::NodeProto& node = graph_.node(i);
      if ((!Is(node, "Conv") && !Is(node, "Gemm") && !Is(node, "MatMul")) || node.output_size() != 1) continue;
      WeightedLayer layer;
      layer.node = i;
      layer.name = node.name().empty() || names_.at(node.name()) > 1 ? node.output(0) : node.name();
      PUNCTUAL_ASSIGN(layer.reason, Read(node, layer));
      layers.push_back(std::move(layer));
    }
    return layers;
  }

 private:
  // The reason, or the empty text.
  Result<std::string> Read(const onnx::NodeProto& node, WeightedLayer& layer) const {
    if (values_.Constant(InputOf(node, 0)) != nullptr) return std::string("its first input is constant");
    if (values_.Constant(InputOf(node, 1)) == nullptr) return std::string("its weights are not constant");
    auto numbers = values_.Floats(InputOf(node, 1));
    if (numbers.has_error()) return ReasonOr(numbers.error(), layer, "weights ");
    layer.numbers = std::move(numbers).value();
    layer.weights = layer.numbers.values.size();
    if (layer.weights == 0) return std::string("it has no weights");
    if (Is(node, "Conv")) return ReadConvolution(node, layer);
    if (layer.numbers.dims.size() != 2)
      return "its weights have " + std::to_string(layer.numbers.dims.size()) + " dimensions, not 2";
    layer.channel_axis = 1;
    return Is(node, "Gemm") ? ReadGemm(node, layer) : std::string();
  }

  // Types that have no codes are a reason; broken numbers are an error.
  static Result<std::string> ReasonOr(const Error& error, const WeightedLayer& layer, const std::string& what) {
    if (error.code == Code::kFailedPrecondition) return "its " + what + error.message;
    return Fail(error.code, "layer \"" + layer.name + "\": " + what + error.message);
  }

  Result<std::string> ReadConvolution(const onnx::NodeProto& node, WeightedLayer& layer) const {
    const std::size_t rank = layer.numbers.dims.size();
    if (rank != 3 && rank != 4)
      return "it is a convolution over " + std::to_string(static_cast<std::int64_t>(rank) - 2) +
             " dimensions; those over 1 and 2 have int8 kernels";
    if (IntOf(node, "group", 1) != 1) return std::string("it has groups, for which there are no int8 kernels");
    const onnx::AttributeProto* const pad = FindAttribute(node, "auto_pad");
    if (pad != nullptr && pad->s() != "NOTSET" && pad->s() != "VALID" && !pad->s().empty())
      return "its padding is \"" + pad->s() + "\"; int8 kernels want it in numbers (the attribute pads)";
    layer.channel_axis = 0;
    return ReadBias(InputOf(node, 2), 1, layer);
  }

  Result<std::string> ReadGemm(const onnx::NodeProto& node, WeightedLayer& layer) const {
    if (IntOf(node, "transA", 0) != 0) return std::string("its first input is transposed (transA)");
    layer.channel_axis = IntOf(node, "transB", 0) != 0 ? 0 : 1;
    const float alpha = FloatOf(node, "alpha", 1);
    for (float& weight : layer.numbers.values) weight *= alpha;
    return ReadBias(InputOf(node, 2), FloatOf(node, "beta", 1), layer);
  }

  Result<std::string> ReadBias(const std::string& name, float beta, WeightedLayer& layer) const {
    if (name.empty()) return std::string();
    if (values_.Constant(name) == nullptr) return std::string("its bias is not constant");
    auto bias = values_.Floats(name);
    if (bias.has_error()) return ReasonOr(bias.error(), layer, "bias ");
    const std::size_t channels = layer.channels(), count = bias->values.size();
    const bool is_row = bias->dims.empty() || (bias->dims.back() == static_cast<std::int64_t>(count));
    if ((count != 1 && count != channels) || !is_row) return std::string("its bias is another for each row");
    layer.bias.emplace(channels);
    for (std::size_t i = 0; i < channels; ++i) (*layer.bias)[i] = beta * bias->values[count == 1 ? 0 : i];
    return std::string();
  }

  const onnx::GraphProto& graph_;
  const GraphValues& values_;
  std::map<std::string, int> names_;
};

}  // namespace

Result<std::vector<WeightedLayer>> FindWeightedLayers(const onnx::GraphProto& graph, const GraphValues& values) {
  return Finder(graph, values).Find();
}

Result<void> ExpectLayers(const std::vector<WeightedLayer>& layers) {
  constexpr std::size_t kMostReasons = 3;
  std::string reasons;
  std::size_t count = 0;
  for (const WeightedLayer& layer : layers) {
    if (layer.reason.empty()) return {};
    if (++count <= kMostReasons) reasons += (count == 1 ? ": \"" : "; \"") + layer.name + "\": " + layer.reason;
  }
  if (count > kMostReasons) reasons += "; and " + std::to_string(count - kMostReasons) + " more";
  return Fail(Code::kFailedPrecondition,
              "model: has no layer that can be quantised, which are Conv, Gemm and MatMul with constant weights" +
                  reasons + "; it stays in float");
}

bool MayHaveCodesBehind(const onnx::NodeProto& node) {
  static constexpr std::array<std::string_view, 6> kTypes{"Conv", "Gemm", "Relu", "LeakyRelu", "MaxPool", "Concat"};
  return std::any_of(kTypes.begin(), kTypes.end(), [&](std::string_view type) { return Is(node, type); });
}

bool Arranges(const onnx::NodeProto& node) {
  static constexpr std::array<std::string_view, 6> kTypes{"Reshape",   "Flatten",   "Squeeze",
                                                          "Unsqueeze", "Transpose", "Identity"};
  return std::any_of(kTypes.begin(), kTypes.end(), [&](std::string_view type) { return Is(node, type); });
}

bool PicksLargest(const onnx::NodeProto& node) {
  return Is(node, "MaxPool") && (node.output_size() == 1 || (node.output_size() == 2 && node.output(1).empty()));
}

std::string RangeSource(const onnx::GraphProto& graph, const GraphValues& values, std::string value) {
  for (int last = graph.node_size();;) {
    const int producer = values.Producer(value);
    if (producer < 0 || producer >= last) return value;  // in a sound file, nodes come before those that read them
    last = producer;
    const onnx::NodeProto& node = graph.node(producer);
    if ((!Arranges(node) && !PicksLargest(node)) || InputOf(node, 0).empty()) return value;
    value = node.input(0);
  }
}

}  // namespace punctual::optimize
