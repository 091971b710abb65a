// What is done to a graph between reading and planning, a file each. A pass leaves a graph that computes the same, bit
// for bit unless it says otherwise.
#pragma once

#include "backend/native/graph/graph.h"
#include "punctual/result.h"

namespace punctual::native {

// All of them, in their order.
void Optimize(Graph& graph);

// How much may be computed when a file is read.
struct FoldingBounds {
  std::size_t most_elements = std::size_t{1} << 24;  // of one value
  double work_left = 1e9;                            // numbers multiplied, added or moved, about, of all nodes
};

// Computes a node whose inputs are all constant, and makes its outputs constants. Does nothing to others, nor to those
// that are beyond the bounds: these are left to a run. The node stays; DropUnused takes it away. REQUIRES: it was
// inferred.
Result<void> FoldNode(Graph& graph, const Node& node, FoldingBounds& bounds);

// Takes away the nodes that no output needs, and constants that nobody reads.
void DropUnused(Graph& graph);

// The passes over layers, in the order in which they are meant to run. They leave constants and values that nobody
// reads; DropUnused takes away the nodes.

// Makes operators of the passes ("punctual": Convolution, Pool, Dense) of Conv, pools, and MatMul and Gemm with
// constant weights. The first two work on channels-last values and stand between Transposes. BatchNormalization becomes
// Mul and Add; only there bits may change.
void UseLayers(Graph& graph);

// Moves Transposes down through what can as well be computed before them, until they meet their inverse or something
// that needs them. Those that move nothing in memory become Reshapes, which cost nothing.
void PushTransposes(Graph& graph);

// Lets layers do what follows them: factors and addends of each channel become part of their weights (there bits may
// change), activations and residual sums part of their step.
void FuseLayers(Graph& graph);

// Where only some positions of an axis are read in the end (the last step of a causal convolution over time), computes
// only those, and of what they are made only what they need, each once.
void KeepNeeded(Graph& graph);

// Layers between DequantizeLinear and QuantizeLinear compute with codes: each code is at most one from what the floats
// between would give, where those are close to a half (kernels/int8_requantization.h). REQUIRES: inferred; before
// DropUnused, since folded weights are found through the nodes that made them.
void FuseQuantized(Graph& graph);

}  // namespace punctual::native
