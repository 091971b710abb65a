// ONNX's own tests of its operators, as Debian's libonnx-testdata has them (script/setup installs it): all whose
// operators are in our table are run, from file to numbers. What must come of it stands in conformance.txt, to the
// letter: how many of how many ran for each operator, and why the others were refused.
#include <gtest/gtest.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <optional>
#include <set>
#include <sstream>

#include "backend/native/graph/onnx_reader.h"
#include "backend/native/graph/onnx_tensor.h"
#include "backend/native/operators/operator.h"
#include "backend/native/passes/passes.h"
#include "backend/native/plan/plan.h"

namespace punctual::native {
namespace {

namespace fs = std::filesystem;

constexpr char kData[] = "/usr/lib/python3/dist-packages/onnx/backend/test/data";
constexpr double kRelative = 1e-5, kAbsolute = 1e-6;

std::string BytesOf(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return bytes.str();
}

std::vector<fs::path> Sorted(const fs::path& folder) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) paths.push_back(entry.path());
  std::ranges::sort(paths);
  return paths;
}

// input_0.pb, input_1.pb, ... of a data set.
std::vector<onnx::TensorProto> TensorsOf(const fs::path& data_set, const std::string& kind) {
  std::vector<onnx::TensorProto> tensors;
  for (int i = 0; fs::exists(data_set / (kind + "_" + std::to_string(i) + ".pb")); ++i)
    tensors.emplace_back().ParseFromString(BytesOf(data_set / (kind + "_" + std::to_string(i) + ".pb")));
  return tensors;
}

// Files of old list the initialisers among the inputs; the data sets do not have them.
void DropListedInitialisers(onnx::GraphProto& graph) {
  std::set<std::string> names;
  for (const onnx::TensorProto& tensor : graph.initializer()) names.insert(tensor.name());
  for (int i = graph.input_size(); i-- > 0;)
    if (names.contains(graph.input(i).name())) graph.mutable_input()->DeleteSubrange(i, 1);
}

// Where the numbers differ; nullopt: nowhere.
template <class T>
std::optional<std::string> Difference(std::span<const T> expected, std::span<const T> computed) {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto wanted = static_cast<double>(expected[i]), got = static_cast<double>(computed[i]);
    const bool is_float = std::is_floating_point_v<T>;
    const bool fits = expected[i] == computed[i] || (std::isnan(wanted) && std::isnan(got)) ||
                      (is_float && std::abs(wanted - got) <= kAbsolute + kRelative * std::abs(wanted));
    if (!fits) return "element " + std::to_string(i) + " is " + std::to_string(got) + ", not " + std::to_string(wanted);
  }
  return std::nullopt;
}

std::optional<std::string> Difference(const Constant& expected, const Value& value, std::span<const std::byte> bytes) {
  if (expected.type() != value.type || expected.dims() != value.dims)
    return "is " + std::string(NameOf(value.type)) + ShapeText(value.dims) + ", not " +
           std::string(NameOf(expected.type())) + ShapeText(expected.dims());
  Constant computed(value.type, value.dims);
  if (!bytes.empty()) std::memcpy(computed.mutable_bytes().data(), bytes.data(), bytes.size());
  switch (expected.type()) {
    case ElementType::kFloat32: return Difference(expected.values<float>(), computed.values<float>());
    case ElementType::kFloat64: return Difference(expected.values<double>(), computed.values<double>());
    case ElementType::kInt32: return Difference(expected.values<std::int32_t>(), computed.values<std::int32_t>());
    case ElementType::kInt64: return Difference(expected.values<std::int64_t>(), computed.values<std::int64_t>());
    case ElementType::kInt8: return Difference(expected.values<std::int8_t>(), computed.values<std::int8_t>());
    case ElementType::kUint8:
    case ElementType::kBool: break;
  }
  return Difference(expected.values<std::uint8_t>(), computed.values<std::uint8_t>());
}

// As the nodes stand in the file, or as the model is served.
enum class Passes { kNone, kAll };

// Gives the first `fed` inputs to the model when it runs; it is told the others when it is loaded. Error: it was
// refused. What comes out: what is wrong with the numbers, nullopt for nothing.
Result<std::optional<std::string>> Run(onnx::ModelProto model, std::vector<onnx::TensorProto> inputs,
                                       const std::vector<onnx::TensorProto>& outputs, int fed, Passes passes) {
  onnx::GraphProto& graph = *model.mutable_graph();
  while (graph.input_size() > fed) {
    onnx::TensorProto& known = inputs.at(static_cast<std::size_t>(graph.input_size()) - 1);
    known.set_name(graph.input(graph.input_size() - 1).name());
    *graph.add_initializer() = known;
    graph.mutable_input()->RemoveLast();
  }
  PUNCTUAL_ASSIGN(auto read, ReadOnnx(model.SerializeAsString(), "model"));
  passes == Passes::kAll ? Optimize(read.graph) : DropUnused(read.graph);
  PUNCTUAL_ASSIGN(const auto plan, Plan::Make(std::move(read.graph)));
  Arena arena(plan->arena_bytes());
  std::memset(arena.data(), 0x7f, plan->arena_bytes());
  for (int i = 0; i < fed; ++i) {
    const auto index = static_cast<std::size_t>(i);
    PUNCTUAL_ASSIGN(const auto numbers, ReadTensor(inputs.at(index), "input", {}, Infinities::kAllowed));
    const auto room = plan->input(index, arena);
    if (room.size() != numbers->bytes().size()) return std::optional<std::string>("an input is of another size");
    if (!room.empty()) std::memcpy(room.data(), numbers->bytes().data(), room.size());
  }
  plan->Run(arena);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    PUNCTUAL_ASSIGN(const auto expected, ReadTensor(outputs[i], "output", {}, Infinities::kAllowed));
    const Value& value = plan->graph().values[plan->graph().outputs.at(i)];
    if (const auto difference = Difference(*expected, value, plan->output(i, arena)))
      return std::optional<std::string>("output " + std::to_string(i) + ": " + *difference);
  }
  return std::optional<std::string>();
}

// Shapes and axes, which we must know when a model is loaded, are inputs in these tests: where that is why a model is
// refused, it is tried again with all but the first input known, and then with all.
Result<std::optional<std::string>> RunSomehow(const onnx::ModelProto& model, const fs::path& data_set, Passes passes) {
  const auto inputs = TensorsOf(data_set, "input");
  const auto outputs = TensorsOf(data_set, "output");
  const int count = model.graph().input_size();
  Result<std::optional<std::string>> run = Run(model, inputs, outputs, count, passes);
  for (int fed = std::min(1, count); fed >= 0 && run.has_error(); --fed) {
    const auto again = Run(model, inputs, outputs, fed, passes);
    if (again.has_value()) run = again;
  }
  return run;
}

std::set<std::string> OperatorsOf(const onnx::ModelProto& model) {
  std::set<std::string> operators;
  for (const onnx::NodeProto& node : model.graph().node())
    operators.insert(node.domain().empty() ? node.op_type() : node.domain() + "." + node.op_type());
  return operators;
}

class Conformance {
 public:
  Conformance() {
    for (const Operator& op : AllOperators())
      known_.insert((op.domain.empty() ? "" : std::string(op.domain) + ".") + std::string(op.type));
  }

  void Try(const fs::path& folder) {
    onnx::ModelProto model;
    if (!model.ParseFromString(BytesOf(folder / "model.onnx"))) return;
    DropListedInitialisers(*model.mutable_graph());
    const auto operators = OperatorsOf(model);
    if (operators.empty() || !std::ranges::includes(known_, operators)) return;
    auto& [ran, all] = counts_[operators.size() == 1 ? *operators.begin() : "several operators"];
    ++all;
    const std::string name = folder.parent_path().filename() / folder.filename();
    for (const fs::path& data_set : Sorted(folder))
      for (const Passes passes : {Passes::kNone, Passes::kAll}) {
        if (!fs::is_directory(data_set)) continue;
        const auto run = RunSomehow(model, data_set, passes);
        if (run.has_error()) {
          EXPECT_EQ(passes, Passes::kNone) << name << ": only the passes lead to: " << run.error().message;
          refused_.push_back(name + ": " + run.error().message);
          return;
        }
        EXPECT_FALSE(run->has_value()) << name << (passes == Passes::kAll ? ", optimised: " : ": ") << **run;
      }
    ++ran;
  }

  std::string Report() const {
    std::string report;
    for (const auto& [op, count] : counts_)
      report += op + ": " + std::to_string(count.ran) + " of " + std::to_string(count.all) + "\n";
    report += "\nRefused:\n";
    for (const std::string& refused : refused_) report += refused + "\n";
    return report;
  }

 private:
  struct Count {
    int ran = 0, all = 0;
  };
  std::set<std::string> known_;
  std::map<std::string, Count> counts_;
  std::vector<std::string> refused_;
};

TEST(ConformanceTest, TestsOfOnnxRunOrAreRefusedAsConformanceTxtSays) {
  ASSERT_TRUE(fs::exists(fs::path(kData) / "node")) << "libonnx-testdata is not installed: run script/setup";
  Conformance conformance;
  for (const char* kind : {"node", "pytorch-converted", "pytorch-operator", "simple"})
    for (const fs::path& folder : Sorted(fs::path(kData) / kind)) conformance.Try(folder);
  const std::string expected = BytesOf(PUNCTUAL_SOURCE_DIR "/src/backend/native/operators/conformance.txt");
  const std::string report = conformance.Report();
  std::cout << report.substr(0, report.find("\nRefused"));
  // Beside this program: other builds that are tested at the same time have their own.
  const fs::path computed_path = fs::read_symlink("/proc/self/exe").parent_path() / "conformance.txt";
  if (report != expected) std::ofstream(computed_path) << report;
  EXPECT_EQ(report, expected) << "when the new table is right, copy it: " << computed_path;
}

}  // namespace
}  // namespace punctual::native
