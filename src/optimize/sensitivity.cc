#include "optimize/sensitivity.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace punctual::optimize {
namespace {

class Search {
 public:
  Search(std::string_view onnx, const ValueRanges& ranges, const JudgeFile& judge, const SensitivityOptions& options)
      : onnx_(onnx), ranges_(ranges), judge_(judge), options_(options) {}

  Result<Sensitivity> Run() {
    PUNCTUAL_TRY(TryWith({}, "codes in all layers"));
    found_.of_all = found_.fidelity;
    if (found_.passed || found_.trials >= options_.most_trials) return std::move(found_);
    for (const LayerReport& layer : found_.file.layers)
      if (layer.reason.empty()) layers_.push_back(layer);
    PUNCTUAL_TRY(MeasureAlone());
    std::vector<std::string> in_float;
    for (const Sensitivity::Alone& worst : found_.alone) {
      // With none left in codes there would be no file; with no trials left nobody could say how good it is.
      if (in_float.size() + 1 == layers_.size() || found_.trials >= options_.most_trials) break;
      in_float.push_back(worst.layer);
      PUNCTUAL_TRY(TryWith(in_float, "\"" + worst.layer + "\" in float"));
      if (found_.passed) break;
    }
    return std::move(found_);
  }

 private:
  Result<double> Try(const QuantizedFile& file, const std::string& tried) {
    PUNCTUAL_ASSIGN(const double fidelity, judge_(file.onnx));
    ++found_.trials;
    if (options_.progress) options_.progress(found_.trials, options_.most_trials, tried, fidelity);
    return fidelity;
  }

  // Keeps it if it is the best so far.
  Result<void> TryWith(const std::vector<std::string>& in_float, const std::string& tried) {
    PUNCTUAL_ASSIGN(QuantizedFile file, Quantize(onnx_, ranges_, {.in_float = {in_float.begin(), in_float.end()}}));
    PUNCTUAL_ASSIGN(const double fidelity, Try(file, tried));
    if (found_.trials > 1 && !(fidelity > found_.fidelity)) return {};
    found_.passed = fidelity >= options_.least;
    found_.fidelity = fidelity;
    found_.file = std::move(file);
    found_.in_float = in_float;
    return {};
  }

  Result<void> MeasureAlone() {
    std::vector<LayerReport> measured = layers_;
    std::stable_sort(measured.begin(), measured.end(),
                     [](const LayerReport& a, const LayerReport& b) { return a.weights > b.weights; });
    measured.resize(std::min(measured.size(), (options_.most_trials - found_.trials + 1) / 2));
    std::map<std::string, std::size_t> weights;
    for (const LayerReport& layer : measured) {
      weights[layer.name] = layer.weights;
      std::set<std::string> others;
      for (const LayerReport& other : layers_)
        if (other.name != layer.name) others.insert(other.name);
      PUNCTUAL_ASSIGN(const QuantizedFile file, Quantize(onnx_, ranges_, {.in_float = std::move(others)}));
      PUNCTUAL_ASSIGN(const double fidelity, Try(file, "codes in \"" + layer.name + "\" alone"));
      found_.alone.push_back({layer.name, fidelity});
    }
    std::stable_sort(found_.alone.begin(), found_.alone.end(),
                     [&](const Sensitivity::Alone& a, const Sensitivity::Alone& b) {
                       if (a.fidelity != b.fidelity) return a.fidelity < b.fidelity;
                       return weights.at(a.layer) < weights.at(b.layer);
                     });
    return {};
  }

  const std::string_view onnx_;
  const ValueRanges& ranges_;
  const JudgeFile& judge_;
  const SensitivityOptions& options_;
  std::vector<LayerReport> layers_;  // that may have codes
  Sensitivity found_;
};

}  // namespace

Result<Sensitivity> FindLayersForFloat(std::string_view onnx, const ValueRanges& ranges, const JudgeFile& judge,
                                       const SensitivityOptions& options) {
  return Search(onnx, ranges, judge, options).Run();
}

}  // namespace punctual::optimize
