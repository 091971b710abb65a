#include "backend/native/passes/passes.h"

namespace punctual::native {

void Optimize(Graph& graph) {
  FuseQuantized(graph);
  DropUnused(graph);
  UseLayers(graph);
  PushTransposes(graph);
  FuseLayers(graph);
  KeepNeeded(graph);
  DropUnused(graph);
}

}  // namespace punctual::native
