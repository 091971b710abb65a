// A model file for the native backend: whatever it says, either a plan that can be run or an error. Small limits bound
// the work of an input.
#include <cstdlib>
#include <string_view>

#include "backend/native/graph/onnx_reader.h"
#include "backend/native/passes/passes.h"
#include "backend/native/plan/plan.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace punctual::native;
  ReadOptions options;
  options.limits = {.max_nodes = 64, .max_rank = 8, .max_elements = 1 << 12, .max_arena_bytes = 1 << 22};
  auto read = ReadOnnx({reinterpret_cast<const char*>(data), size}, "model.onnx", options);
  if (read.has_error()) return 0;
  Optimize(read->graph);
  const auto plan = Plan::Make(std::move(read->graph), options.limits);
  if (plan.has_error()) return 0;
  Arena arena((*plan)->arena_bytes());
  (*plan)->Run(arena);
  const Graph& graph = (*plan)->graph();
  for (std::size_t i = 0; i < graph.outputs.size(); ++i) {
    const Value& value = graph.values[graph.outputs[i]];
    if ((*plan)->output(i, arena).size() != CountOf(value.dims) * SizeOf(value.type)) std::abort();
  }
  return 0;
}
