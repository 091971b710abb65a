#include <cstddef>
#include <numeric>
#include <vector>

#include "model_kinds.h"
#include "optimize/quantize.h"
#include "reference.h"

namespace punctual {

namespace {

constexpr std::uint32_t kCalibrationInputs = 16;

// Others than those that the model is measured with.
optimize::Samples CalibrationInputs(const onnx::GraphProto& graph) {
  optimize::Samples samples;
  for (std::uint32_t i = 0; i < kCalibrationInputs; ++i) {
    samples.time_ns.push_back(i);
    samples.values.resize(static_cast<std::size_t>(graph.input_size()));
    const DoubleValues inputs = ReferenceInput(graph, 5000 + i);
    for (int k = 0; k < graph.input_size(); ++k) {
      const DoubleTensor& input = inputs.at(graph.input(k).name());
      if (i == 0) samples.inputs.push_back({graph.input(k).name(), DType::kFloat32, input.dims});
      const std::vector<float> numbers(input.values.begin(), input.values.end());
      const auto bytes = std::as_bytes(std::span(numbers));
      auto& values = samples.values[static_cast<std::size_t>(k)];
      values.insert(values.end(), bytes.begin(), bytes.end());
    }
  }
  return samples;
}

}  // namespace

Result<std::string> Quantized(const OnnxGraph& model, bool behind) {
  const std::string onnx = model.Bytes();
  const optimize::Samples samples = CalibrationInputs(model.graph());
  std::vector<std::size_t> all(samples.count());
  std::iota(all.begin(), all.end(), std::size_t{0});
  PUNCTUAL_ASSIGN(const auto observed, optimize::Calibrate(onnx, samples, all, {.also_behind = behind}));
  PUNCTUAL_ASSIGN(auto file, optimize::Quantize(onnx, ChooseRanges(observed, optimize::RangeMethod::kMinMax),
                                                {.also_behind = behind}));
  return std::move(file.onnx);
}

}  // namespace punctual
