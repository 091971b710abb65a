// A signals.csv: either finite tensors of the outputs' shapes, or an error.
#include <cmath>
#include <cstdlib>
#include <string_view>

#include "model/signals.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::vector<punctual::TensorSpec> outputs = {{"p", punctual::DType::kFloat32, {1, 2}}};
  const auto signals = punctual::ParseSignals({reinterpret_cast<const char*>(data), size}, "signals.csv", outputs);
  if (signals.has_value())
    for (const auto& [symbol, signal] : *signals)
      for (const float value : signal.outputs[0].values<float>())
        if (!std::isfinite(value)) std::abort();
  return 0;
}
