#include "backend/native/passes/quantized_constants.h"

#include <utility>

#include "backend/native/operators/operator.h"
#include "backend/native/operators/quantization.h"

namespace punctual::native::quantized {

bool Is(const Node& node, std::string_view type) { return node.op->domain.empty() && node.op->type == type; }

const Node* Constants::Producer(ValueId id, std::string_view type) const {
  if (id == kNoValue || id >= producers_.size() || producers_[id] == SIZE_MAX) return nullptr;
  const Node& node = graph_.nodes[producers_[id]];
  return Is(node, type) ? &node : nullptr;
}

// In the constant's order.
std::optional<Weights> Constants::Read(ValueId id, std::size_t channel_axis) const {
  const Node* const dequantize = Producer(id, "DequantizeLinear");
  if (dequantize == nullptr) return std::nullopt;
  const Value& value = graph_.values[dequantize->inputs[0]];
  if (value.constant == nullptr || value.dims.size() <= channel_axis || value.constant->count() == 0)
    return std::nullopt;
  const LinearCodes codes = LinearCodesOf(graph_, *dequantize);
  if (codes.type == ElementType::kInt32) return std::nullopt;
  if (!codes.is_per_tensor() && codes.axis != channel_axis) return std::nullopt;
  const auto channels = static_cast<std::size_t>(value.dims[channel_axis]);
  const std::size_t inner =
      CountOf(Dims(value.dims.begin() + static_cast<std::ptrdiff_t>(channel_axis) + 1, value.dims.end()));
  Weights weights;
  for (std::size_t i = 0; i < channels; ++i) weights.scales.push_back(codes.scales[codes.is_per_tensor() ? 0 : i]);
  for (std::size_t i = 0; i < value.constant->count(); ++i) {
    const std::int32_t code = codes.type == ElementType::kInt8
                                  ? std::int32_t{value.constant->values<std::int8_t>()[i]}
                                  : std::int32_t{value.constant->values<std::uint8_t>()[i]};
    const std::int32_t weight = code - codes.zero_points[codes.is_per_tensor() ? 0 : i / inner % channels];
    if (weight < -128 || weight > 127) return std::nullopt;
    weights.codes.push_back(static_cast<std::int8_t>(weight));
  }
  return weights;
}

std::optional<Weights> Constants::Matrix(ValueId id, bool channels_first) const {
  if (const Node* const transpose = Producer(id, "Transpose"); transpose != nullptr) {
    const auto* const permutation = transpose->Ints("perm");
    if (permutation != nullptr && *permutation != std::vector<std::int64_t>{1, 0}) return std::nullopt;
    id = transpose->inputs[0];
    channels_first = !channels_first;
  }
  if (graph_.values[id].dims.size() != 2) return std::nullopt;
  auto weights = Read(id, channels_first ? 0 : 1);
  if (!weights.has_value() || channels_first) return weights;
  const std::vector<std::int8_t> codes = weights->codes;
  const std::size_t channels = weights->scales.size(), depth = codes.size() / channels;
  for (std::size_t i = 0; i < depth; ++i)
    for (std::size_t channel = 0; channel < channels; ++channel)
      weights->codes[channel * depth + i] = codes[i * channels + channel];
  return weights;
}

std::optional<Weights> Constants::Kernel(ValueId id) const {
  auto weights = Read(id, 0);
  if (!weights.has_value() || graph_.values[id].dims.size() < 3) return std::nullopt;
  const std::vector<std::int8_t> codes = weights->codes;
  const std::size_t channels = weights->scales.size(), depth = static_cast<std::size_t>(graph_.values[id].dims[1]);
  const std::size_t places = codes.size() / channels / depth;
  for (std::size_t channel = 0; channel < channels; ++channel)
    for (std::size_t place = 0; place < places; ++place)
      for (std::size_t i = 0; i < depth; ++i)
        weights->codes[(channel * places + place) * depth + i] = codes[(channel * depth + i) * places + place];
  return weights;
}

std::optional<std::vector<double>> Constants::NumberOfEach(ValueId id, std::size_t channels) const {
  const Value& value = graph_.values[id];
  const std::size_t count = CountOf(value.dims);
  if (count != 1 && (count != channels || value.dims.back() != static_cast<std::int64_t>(channels)))
    return std::nullopt;
  std::vector<double> numbers;
  if (const Node* const dequantize = Producer(id, "DequantizeLinear"); dequantize != nullptr) {
    const Value& coded = graph_.values[dequantize->inputs[0]];
    if (coded.constant == nullptr) return std::nullopt;
    const LinearCodes codes = LinearCodesOf(graph_, *dequantize);
    if (coded.type == ElementType::kInt32 && (codes.is_per_tensor() || codes.scales.size() == count)) {
      // Not the float that it is in the graph: that has fewer digits than a code.
      for (std::size_t i = 0; i < count; ++i)
        numbers.push_back(coded.constant->values<std::int32_t>()[i] *
                          static_cast<double>(codes.scales[codes.is_per_tensor() ? 0 : i]));
    }
  }
  if (numbers.empty()) {
    if (value.constant == nullptr || value.type != ElementType::kFloat32) return std::nullopt;
    const auto values = value.constant->values<float>();
    numbers.assign(values.begin(), values.end());
  }
  if (count == 1) numbers.resize(channels, numbers[0]);
  return numbers;
}

}  // namespace punctual::native::quantized
