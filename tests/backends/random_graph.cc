#include "backends/random_graph.h"

#include <vector>

#include "backends/growing_graph.h"
#include "backends/random_operators.h"

namespace punctual::test {

namespace {

std::vector<Growth> AllGrowths(bool has_codes) {
  std::vector<Growth> all;
  for (const auto growths : {ElementwiseGrowths(), ArrangingGrowths(), LayerGrowths(), RecurrentGrowths()})
    all.insert(all.end(), growths.begin(), growths.end());
  for (Growth growth : CodeGrowths()) {
    growth.weight *= 10;  // where there are codes, there are many
    if (has_codes) all.push_back(growth);
  }
  return all;
}

const Growth& AnyOf(GrowingGraph& graph, const std::vector<Growth>& growths) {
  int sum = 0;
  for (const Growth& growth : growths) sum += growth.weight;
  int left = graph.Between(0, sum - 1);
  for (const Growth& growth : growths)
    if ((left -= growth.weight) < 0) return growth;
  return growths.back();
}

}  // namespace

RandomGraph MakeRandomGraph(std::uint32_t seed) {
  GrowingGraph graph(seed);
  const std::vector<Growth> growths = AllGrowths(graph.has_codes());
  graph.AddInputs();
  for (int i = graph.Between(2, 14); i > 0; --i) {
    const GrownValue x = graph.Any();
    while (!AnyOf(graph, growths).grow(graph, x)) {
    }
  }
  graph.AddOutputs();

  RandomGraph made{graph.onnx().Bytes(), {}, graph.has_open_batch(), graph.has_other_order(), graph.code_step()};
  for (const onnx::NodeProto& node : graph.onnx().graph().node())
    made.operators += (made.operators.empty() ? "" : " ") + node.op_type();
  return made;
}

}  // namespace punctual::test
