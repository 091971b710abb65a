// A model file for the native backend: whatever it says, either a plan that can be run or an error, for one question
// and for a batch of them. A run repeated in a soiled arena gives the same bits; so does each member of a batch that
// came out the same beside other members, when it is asked alone. Small limits bound the work of an input.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <random>
#include <string_view>
#include <vector>

#include "backend/native/graph/onnx_reader.h"
#include "backend/native/operators/operator.h"
#include "backend/native/passes/passes.h"
#include "backend/native/plan/plan.h"

namespace {

using namespace punctual::native;

constexpr std::size_t kBatch = 4;

using Bytes = std::vector<std::byte>;

struct Model {
  std::shared_ptr<const Plan> plan;
  bool batch_is_open = false;
  bool asks_for_shapes = false;  // what it computes may depend on how many are asked with it
};

std::optional<Model> Load(std::string_view onnx, std::size_t batch) {
  ReadOptions options;
  options.batch = static_cast<std::int64_t>(batch);
  options.limits = {
      .max_nodes = 64, .max_rank = 8, .max_elements = 1 << 12, .max_arena_bytes = 1 << 22, .max_kept_bytes = 1 << 22};
  auto read = ReadOnnx(onnx, "model.onnx", options);
  if (read.has_error()) return std::nullopt;
  Model model;
  model.batch_is_open = read->batch_is_open;
  for (const Node& node : read->graph.nodes)
    model.asks_for_shapes = model.asks_for_shapes || node.op->type == "Shape" || node.op->type == "Size";
  Optimize(read->graph);
  auto plan = Plan::Make(std::move(read->graph), options.limits);
  if (plan.has_error()) {
    if (plan.error().code == punctual::Code::kInternal) std::abort();  // a pass was wrong
    return std::nullopt;
  }
  model.plan = *plan;
  return model;
}

// For `count` questions, small numbers that depend on each one's seed: [question][input].
template <class T>
void Fill(std::span<std::byte> input, const std::vector<unsigned>& seeds, std::size_t number) {
  const std::size_t each = input.size() / sizeof(T) / seeds.size();
  for (std::size_t i = 0; i < seeds.size(); ++i) {
    std::mt19937 random(seeds[i] * 31 + static_cast<unsigned>(number));
    for (std::size_t k = 0; k < each; ++k) {
      const T value = static_cast<T>(static_cast<int>(random() % 65) - 32) / static_cast<T>(16);
      std::memcpy(input.data() + (i * each + k) * sizeof(T), &value, sizeof(T));
    }
  }
}

// The outputs. `soil`: what stands in the arena before.
std::vector<Bytes> Run(const Plan& plan, const std::vector<unsigned>& seeds, int soil) {
  Arena arena(plan.arena_bytes());
  std::memset(arena.data(), soil, plan.arena_bytes());
  const Graph& graph = plan.graph();
  for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
    const auto input = plan.input(i, arena);
    switch (graph.values[graph.inputs[i]].type) {
      case ElementType::kFloat32: Fill<float>(input, seeds, i); break;
      case ElementType::kFloat64: Fill<double>(input, seeds, i); break;
      case ElementType::kInt32: Fill<std::int32_t>(input, seeds, i); break;
      case ElementType::kInt64: Fill<std::int64_t>(input, seeds, i); break;
      case ElementType::kInt8: Fill<std::int8_t>(input, seeds, i); break;
      case ElementType::kUint8:
      case ElementType::kBool: std::fill(input.begin(), input.end(), std::byte{1}); break;
    }
  }
  plan.Run(arena);
  std::vector<Bytes> outputs;
  for (std::size_t i = 0; i < graph.outputs.size(); ++i) {
    const auto output = plan.output(i, arena);
    outputs.emplace_back(output.begin(), output.end());
  }
  return outputs;
}

std::vector<Bytes> RunTwice(const Plan& plan, const std::vector<unsigned>& seeds) {
  auto outputs = Run(plan, seeds, 0);
  if (Run(plan, seeds, 0x7f) != outputs) std::abort();
  return outputs;
}

Bytes Member(const Bytes& output, std::size_t member) {
  const std::size_t each = output.size() / kBatch;
  return {output.begin() + static_cast<std::ptrdiff_t>(member * each),
          output.begin() + static_cast<std::ptrdiff_t>((member + 1) * each)};
}

// A file may let members of a batch speak with each other: only those that do not are compared.
void CompareMembers(const Model& one, const Model& many) {
  const auto first = RunTwice(*many.plan, {1, 2, 3, 4});
  const auto beside_others = Run(*many.plan, {1, 5, 6, 4}, 0), beside_more = Run(*many.plan, {1, 7, 8, 9}, 0);
  const auto alone = Run(*one.plan, {1}, 0);
  for (std::size_t i = 0; i < first.size(); ++i) {
    const Graph &small = one.plan->graph(), &large = many.plan->graph();
    Dims dims = small.values[small.outputs[i]].dims;
    if (dims.empty() || dims[0] != 1) continue;
    dims[0] = kBatch;
    if (large.values[large.outputs[i]].dims != dims) continue;
    const Bytes member = Member(first[i], 0);
    if (Member(beside_others[i], 0) != member || Member(beside_more[i], 0) != member) continue;
    if (alone[i] != member) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view onnx(reinterpret_cast<const char*>(data), size);
  const auto one = Load(onnx, 1);
  if (!one.has_value()) return 0;
  RunTwice(*one->plan, {1});
  if (!one->batch_is_open || one->asks_for_shapes) return 0;
  const auto many = Load(onnx, kBatch);
  if (many.has_value()) CompareMembers(*one, *many);
  return 0;
}
