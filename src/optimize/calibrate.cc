#include "optimize/calibrate.h"

#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "model/backend.h"
#include "optimize/fidelity.h"
#include "optimize/onnx_file.h"
#include "optimize/quantizable_layers.h"
#include "optimize/sample_session.h"

namespace punctual::optimize {
namespace {

constexpr std::size_t kSamplesBetweenReports = 64;

// Where a watched value's numbers come out.
struct Watched {
  std::string name;
  bool is_input = false;
  std::size_t index = 0;  // of the model's inputs or outputs
};

// The names of all values to watch, each once, in the graph's order.
Result<std::vector<std::string>> NamesToWatch(const onnx::GraphProto& graph, bool also_behind) {
  const GraphValues values(graph);
  PUNCTUAL_ASSIGN(const auto layers, FindWeightedLayers(graph, values));
  std::vector<std::string> names;
  for (const WeightedLayer& layer : layers)
    if (layer.reason.empty()) names.push_back(RangeSource(graph, values, graph.node(layer.node).input(0)));
  PUNCTUAL_TRY(ExpectLayers(layers));
  for (int i = 0; also_behind && i < graph.node_size(); ++i)
    if (MayHaveCodesBehind(graph.node(i))) names.push_back(RangeSource(graph, values, graph.node(i).output(0)));
  std::vector<std::string> once;
  std::set<std::string> known;
  for (const std::string& name : names)
    if (values.Constant(name) == nullptr && known.insert(name).second) once.push_back(name);
  return once;
}

// Makes outputs of them.
std::vector<Watched> Watch(const std::vector<std::string>& names, onnx::GraphProto& graph) {
  std::vector<Watched> watched;
  for (const std::string& name : names) {
    // Initialisers may be listed among the inputs; those of the model are counted without them.
    std::size_t inputs = 0;
    bool is_input = false;
    for (const onnx::ValueInfoProto& input : graph.input()) {
      is_input = input.name() == name;
      if (is_input) break;
      inputs += std::none_of(graph.initializer().begin(), graph.initializer().end(),
                             [&](const onnx::TensorProto& tensor) { return tensor.name() == input.name(); });
    }
    if (is_input) {
      watched.push_back({name, true, inputs});
      continue;
    }
    int output = 0;
    while (output < graph.output_size() && graph.output(output).name() != name) ++output;
    if (output == graph.output_size()) {
      onnx::ValueInfoProto& added = *graph.add_output();
      added.set_name(name);
      added.mutable_type()->mutable_tensor_type()->set_elem_type(onnx::TensorProto::FLOAT);
    }
    watched.push_back({name, false, static_cast<std::size_t>(output)});
  }
  return watched;
}

Result<std::unique_ptr<CompiledModel>> Compile(const std::string& onnx) {
  std::string refusals;
  for (const char* const name : {"native", "openvino"}) {
    const auto backend = FindBackend(name);
    if (backend.has_error()) continue;  // this program was built without it
    auto compiled = backend.value()->Compile({onnx, "model", "fp32", "CPU"});
    if (compiled.has_value()) return compiled;
    refusals += (refusals.empty() ? "" : "; ") + compiled.error().message;
  }
  return Fail(Code::kFailedPrecondition, refusals.empty() ? "backend: this program has none" : refusals);
}

std::vector<float> FloatsOf(std::span<const std::byte> bytes) {
  std::vector<float> numbers(bytes.size() / sizeof(float));
  if (!numbers.empty()) std::memcpy(numbers.data(), bytes.data(), numbers.size() * sizeof(float));
  return numbers;
}

}  // namespace

Result<Observations> Calibrate(std::string_view onnx, const Samples& samples, std::span<const std::size_t> indices,
                               const CalibrateOptions& options) {
  if (indices.empty() || options.most == 0)
    return Fail(Code::kInvalidArgument, "samples: there are none to calibrate on");
  PUNCTUAL_ASSIGN(onnx::ModelProto file, ParseForQuantizing(onnx));
  PUNCTUAL_ASSIGN(const auto names, NamesToWatch(file.graph(), options.also_behind));
  const std::vector<Watched> watched = Watch(names, *file.mutable_graph());
  PUNCTUAL_ASSIGN(const auto model, Compile(file.SerializeAsString()));
  PUNCTUAL_ASSIGN(SampleSession asked, SampleSession::Make(*model, samples));

  Observations observations;
  const std::vector<std::size_t> chosen = Thinned(indices, options.most);
  for (std::size_t done = 0; done < chosen.size(); ++done) {
    asked.Write(chosen[done]);
    PUNCTUAL_TRY(asked.session().Run());
    for (const Watched& value : watched) {
      const auto bytes = value.is_input ? asked.Input(value.index, chosen[done]) : asked.session().output(value.index);
      if (!observations[value.name].Add(FloatsOf(bytes)))
        return Fail(Code::kOutOfRange, "value \"" + value.name + "\": is not finite for sample " +
                                           std::to_string(chosen[done]) +
                                           "; look at its inputs, or at the model's range");
    }
    if (options.progress && ((done + 1) % kSamplesBetweenReports == 0 || done + 1 == chosen.size()))
      options.progress(done + 1, chosen.size());
  }
  return observations;
}

ValueRanges ChooseRanges(const Observations& observations, RangeMethod method, double percentile) {
  ValueRanges ranges;
  for (const auto& [name, histogram] : observations)
    if (!histogram.is_constant()) ranges[name] = ChooseRange(histogram, method, percentile);
  return ranges;
}

}  // namespace punctual::optimize
