// Layers between DequantizeLinear and QuantizeLinear become layers that compute with codes.
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "backend/native/kernels/int8_requantization.h"
#include "backend/native/operators/operator.h"
#include "backend/native/operators/quantization.h"
#include "backend/native/passes/passes.h"
#include "backend/native/passes/quantized_codes.h"
#include "backend/native/passes/quantized_constants.h"

namespace punctual::native {

namespace {

using quantized::AddConstant;
using quantized::Is;

// A layer that is about to become one node.
struct Layer {
  std::size_t last = 0;                    // the node whose output it computes
  std::optional<std::size_t> convolution;  // the Conv, if it is one
  LinearCodes x;
  ValueId x_codes = kNoValue;
  quantized::Weights weights;
  std::optional<std::vector<double>> bias;  // by channel, as numbers
  double slope = 1;                         // of numbers below zero
  double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
};

class LayerFuser {
 public:
  explicit LayerFuser(Graph& graph) : graph_(graph), readers_(graph.Readers()), constants_(graph) {}

  void Fuse() {
    const std::size_t count = graph_.nodes.size();
    for (std::size_t i = 0; i < count; ++i) {
      const Node& node = graph_.nodes[i];
      if (Is(node, "Gemm") || Is(node, "MatMul")) FuseDense(i);
      if (Is(node, "Conv")) FuseConvolution(i);
    }
    Insert();
  }

 private:
  // The only node that needs what node i computes; SIZE_MAX: there are others, or none.
  std::size_t OnlyReader(std::size_t i) const {
    const ValueId output = graph_.nodes[i].outputs[0];
    return readers_[output].size() == 1 && !graph_.IsOutput(output) ? readers_[output][0] : SIZE_MAX;
  }

  bool ReadX(ValueId x, Layer& layer) const {
    const Node* const dequantize = constants_.Producer(x, "DequantizeLinear");
    if (dequantize == nullptr) return false;
    layer.x = LinearCodesOf(graph_, *dequantize);
    layer.x_codes = dequantize->inputs[0];
    return layer.x.is_per_tensor() && layer.x.type == ElementType::kUint8;
  }

  void FuseDense(std::size_t i) {
    const Node& node = graph_.nodes[i];
    Layer layer;
    layer.last = i;
    const bool is_gemm = Is(node, "Gemm");
    if (is_gemm && (node.Float("alpha", 1) != 1 || node.Float("beta", 1) != 1 || node.Int("transA", 0) != 0)) return;
    if (!ReadX(node.inputs[0], layer)) return;
    auto weights = constants_.Matrix(node.inputs[1], is_gemm && node.Int("transB", 0) != 0);
    if (!weights.has_value() || weights->scales.empty()) return;
    layer.weights = std::move(*weights);
    const std::size_t channels = layer.weights.scales.size();
    if (is_gemm && node.input(2) != kNoValue) {
      layer.bias = constants_.NumberOfEach(node.inputs[2], channels);
      if (!layer.bias.has_value()) return;
    }
    if (!is_gemm)
      if (const std::size_t next = OnlyReader(i); next != SIZE_MAX && Is(graph_.nodes[next], "Add")) {
        const Node& add = graph_.nodes[next];
        const ValueId other = add.inputs[add.inputs[0] == node.outputs[0] ? 1 : 0];
        layer.bias = constants_.NumberOfEach(other, channels);
        const bool same_shape = graph_.values[add.outputs[0]].dims == graph_.values[node.outputs[0]].dims;
        if (layer.bias.has_value() && same_shape) layer.last = next;
        if (!same_shape) layer.bias.reset();
      }
    TakeBounds(layer);
    Replace(node.name, "QuantizedGemm", layer);
  }

  void FuseConvolution(std::size_t i) {
    const Node& node = graph_.nodes[i];
    const std::size_t rank = graph_.values[node.inputs[0]].dims.size();
    if (rank < 3 || rank > 4 || node.Int("group", 1) != 1 || FindOperator("", "Transpose", 13) == nullptr) return;
    // NOTSET, where pads say it all, and VALID, where there are none, are those that need no reckoning.
    const std::string auto_pad = node.String("auto_pad", "NOTSET");
    if (auto_pad != "NOTSET" && auto_pad != "VALID") return;
    Layer layer;
    layer.last = i;
    layer.convolution = i;
    if (!ReadX(node.inputs[0], layer)) return;
    auto weights = constants_.Kernel(node.inputs[1]);
    if (!weights.has_value()) return;
    layer.weights = std::move(*weights);
    if (node.input(2) != kNoValue) {
      layer.bias = constants_.NumberOfEach(node.inputs[2], layer.weights.scales.size());
      if (!layer.bias.has_value()) return;
    }
    TakeBounds(layer);
    Replace(node.name, "QuantizedConv", layer);
  }

  // Lets the node stand between Transposes: channels stand last in what it reads and writes. The passes over layers
  // move them away where two such nodes meet.
  void TurnConvolution(const Layer& layer, Node& node, std::size_t at) {
    const Node& convolution = graph_.nodes[*layer.convolution];
    const Dims& x = graph_.values[convolution.inputs[0]].dims;
    const std::size_t rank = x.size();
    for (const char* const name : {"strides", "dilations", "pads"})
      if (const auto* const ints = convolution.Ints(name); ints != nullptr) node.attributes[name] = *ints;
    node.attributes["x_zero_point"] = std::int64_t{layer.x.zero_points[0]};
    const auto turned = [rank](const Dims& dims) {
      Dims last = {dims[0]};
      last.insert(last.end(), dims.begin() + 2, dims.begin() + static_cast<std::ptrdiff_t>(rank));
      last.push_back(dims[1]);
      return last;
    };
    Value& weights = graph_.values[node.inputs[1]];
    const Dims shape = turned(graph_.values[convolution.inputs[1]].dims);
    weights.constant = Reshaped(*weights.constant, shape);
    weights.dims = shape;

    std::vector<std::int64_t> to_last = {0}, to_first = {0, static_cast<std::int64_t>(rank) - 1};
    for (std::int64_t axis = 2; axis < static_cast<std::int64_t>(rank); ++axis) to_last.push_back(axis);
    to_last.push_back(1);
    for (std::int64_t axis = 1; axis + 1 < static_cast<std::int64_t>(rank); ++axis) to_first.push_back(axis);
    const Operator* const transpose = FindOperator("", "Transpose", 13);
    const auto append = [&](std::size_t before, ValueId from, ValueId to, const std::vector<std::int64_t>& perm) {
      Node turn;
      turn.op = transpose;
      turn.name = node.name + "/transpose";
      turn.opset = 13;
      turn.attributes["perm"] = perm;
      turn.inputs = {from};
      turn.outputs = {to};
      added_.push_back({before, std::move(turn)});
    };
    const ValueId turned_x = graph_.Add({node.name + "/x", ElementType::kUint8, turned(x), nullptr});
    append(at, node.inputs[0], turned_x, to_last);
    node.inputs[0] = turned_x;
    const ValueId y = node.outputs[0];
    const Value& of_y = graph_.values[y];
    const ValueId turned_y = graph_.Add({node.name + "/y", of_y.type, turned(of_y.dims), nullptr});
    node.outputs[0] = turned_y;
    append(at + 1, turned_y, y, to_first);
  }

  static std::shared_ptr<const Constant> Reshaped(const Constant& constant, const Dims& dims) {
    auto reshaped = std::make_shared<Constant>(constant.type(), dims);
    std::copy(constant.bytes().begin(), constant.bytes().end(), reshaped->mutable_bytes().begin());
    return reshaped;
  }

  // Puts what was added to where it belongs.
  void Insert() {
    if (added_.empty()) return;
    std::vector<Node> nodes;
    auto next = added_.begin();
    std::stable_sort(added_.begin(), added_.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (std::size_t i = 0; i <= graph_.nodes.size(); ++i) {
      for (; next != added_.end() && next->first == i; ++next) nodes.push_back(std::move(next->second));
      if (i < graph_.nodes.size()) nodes.push_back(std::move(graph_.nodes[i]));
    }
    graph_.nodes = std::move(nodes);
  }

  static bool IsUnbounded(const Layer& layer) { return std::isinf(layer.low) && std::isinf(layer.high); }

  // LeakyRelu, Relu and Clip behind a layer.
  void TakeBounds(Layer& layer) const {
    for (;;) {
      const std::size_t next = OnlyReader(layer.last);
      if (next == SIZE_MAX) return;
      const Node& node = graph_.nodes[next];
      double low = -std::numeric_limits<double>::infinity(), high = std::numeric_limits<double>::infinity();
      if (Is(node, "LeakyRelu") && IsUnbounded(layer)) {
        const float slope = node.Float("alpha", 0.01f);
        if (!(slope >= 0 && slope <= 1)) return;
        layer.slope *= slope;
      } else if (Is(node, "Relu")) {
        low = 0;
      } else if (Is(node, "Clip")) {
        const auto bound = [&](std::size_t input, const char* attribute, double& at) {
          if (node.opset < 11) {
            at = node.Float(attribute, static_cast<float>(at));
          } else if (node.input(input) != kNoValue) {
            const auto& constant = graph_.values[node.inputs[input]].constant;
            if (constant == nullptr || constant->type() != ElementType::kFloat32 || constant->count() != 1)
              return false;
            at = constant->values<float>()[0];
          }
          return !std::isnan(at);
        };
        if (!bound(1, "min", low) || !bound(2, "max", high) || low > high) return;
      } else {
        return;
      }
      // What comes after bounds what is there.
      layer.low = std::clamp(layer.low, low, high);
      layer.high = std::clamp(layer.high, low, high);
      layer.last = next;
    }
  }

  std::optional<Node> MakeNode(const std::string& name, std::string_view type, const Layer& layer,
                               const LinearCodes* y) {
    const std::size_t channels = layer.weights.scales.size();
    const auto count = static_cast<std::int64_t>(channels);
    std::vector<double> units;  // what one step of a channel's sum is
    for (const float scale : layer.weights.scales) units.push_back(double{layer.x.scales[0]} * scale);
    std::vector<std::int64_t> bias(channels, 0);
    bool bias_is_whole = true;  // a whole number of steps, as quantisers make it, up to the digits of scales
    for (std::size_t i = 0; layer.bias.has_value() && i < channels; ++i) {
      const double steps = (*layer.bias)[i] / units[i];
      if (!(std::abs(steps) < 0x1p31)) return std::nullopt;
      bias[i] = std::llround(steps);
      bias_is_whole = bias_is_whole && std::abs(steps - std::round(steps)) <= std::abs(steps) * 0x1p-22;
    }
    const bool has_offset = y == nullptr && !bias_is_whole;
    if (has_offset) std::fill(bias.begin(), bias.end(), 0);
    const auto folded = FoldZeroPoint(bias, layer.weights.codes, layer.x.zero_points[0]);
    if (!folded.has_value()) return std::nullopt;

    Node node;
    node.op = FindOperator("punctual", type, 1);
    node.name = name;
    node.opset = 1;
    const auto products = static_cast<std::int64_t>(layer.weights.codes.size() / channels);
    std::vector<std::int32_t> multiplier, negative;
    std::vector<float> scale, offset;
    if (y != nullptr) {
      std::vector<double> factors;
      for (const double unit : units) factors.push_back(unit / y->scales[0]);
      auto made = MultipliersOf(factors);
      if (!made.has_value()) return std::nullopt;
      multiplier = std::move(made->multiplier);
      if (layer.slope != 1)
        for (const std::int32_t number : multiplier)
          negative.push_back(static_cast<std::int32_t>(std::lround(number * layer.slope)));
      // The code of a bound bounds the codes: rounding keeps their order.
      const auto code = [&](double number) {
        const double steps = std::clamp(number / y->scales[0], -1e6, 1e6);
        return std::clamp<std::int64_t>(std::llrint(steps) + y->zero_points[0], 0, 255);
      };
      node.attributes["shift"] = std::int64_t{made->shift};
      node.attributes["zero_point"] = std::int64_t{y->zero_points[0]};
      node.attributes["low"] = code(layer.low);
      node.attributes["high"] = code(layer.high);
    } else {
      for (std::size_t i = 0; i < channels; ++i) {
        scale.push_back(static_cast<float>(units[i]));
        if (has_offset) offset.push_back(static_cast<float>((*layer.bias)[i]));
      }
      if (layer.slope != 1) node.attributes["slope"] = static_cast<float>(layer.slope);
      if (std::isfinite(layer.low)) node.attributes["low"] = static_cast<float>(layer.low);
      if (std::isfinite(layer.high)) node.attributes["high"] = static_cast<float>(layer.high);
    }
    node.inputs = {layer.x_codes, AddConstant(graph_, name + "/weights", {count, products}, layer.weights.codes),
                   AddConstant(graph_, name + "/bias", {count}, *folded),
                   y != nullptr ? AddConstant(graph_, name + "/multiplier", {count}, multiplier)
                                : AddConstant(graph_, name + "/scale", {count}, scale)};
    if (has_offset) node.inputs.push_back(AddConstant(graph_, name + "/offset", {count}, offset));
    if (!negative.empty()) node.inputs.push_back(AddConstant(graph_, name + "/negative", {count}, negative));
    return node;
  }

  // In the place of node `at`, whose output it computes.
  void Put(const Layer& layer, Node node, std::size_t at) {
    node.outputs = graph_.nodes[at].outputs;
    if (layer.convolution.has_value()) TurnConvolution(layer, node, at);
    graph_.nodes[at] = std::move(node);
  }

  // Codes where QuantizeLinear follows, otherwise floats.
  void Replace(const std::string& name, std::string_view type, const Layer& layer) {
    const std::string copied = name;  // of a node that is about to go
    if (const std::size_t next = OnlyReader(layer.last);
        next != SIZE_MAX && Is(graph_.nodes[next], "QuantizeLinear") && graph_.nodes[next].outputs[0] != kNoValue) {
      const LinearCodes y = LinearCodesOf(graph_, graph_.nodes[next]);
      if (y.is_per_tensor() && y.type == ElementType::kUint8)
        if (auto node = MakeNode(copied, type, layer, &y); node.has_value()) {
          Put(layer, std::move(*node), next);
          return;
        }
    }
    if (auto node = MakeNode(copied, type, layer, nullptr); node.has_value()) {
      Put(layer, std::move(*node), layer.last);
    }
  }

  Graph& graph_;
  const std::vector<std::vector<std::size_t>> readers_;
  const quantized::Constants constants_;
  std::vector<std::pair<std::size_t, Node>> added_;  // each before a node of that number
};

}  // namespace

void FuseQuantized(Graph& graph) {
  quantized::MoveCodes(graph);
  quantized::MakeCodesUnsigned(graph);
  LayerFuser(graph).Fuse();
  DropUnused(graph);
}

}  // namespace punctual::native
