// LSTM and GRU cells that go through a sequence, in one direction. What the inputs add to the gates is one product for
// all steps; then each step multiplies the hidden states with the recurrent weights, a panel of units at a time, and
// updates those units while their gates are still near.
//
// Functions on memory of the caller; they allocate nothing. Weights that were packed may be used by many threads at
// once.
#pragma once

#include <cstddef>
#include <cstdint>

namespace punctual::native {

enum class CellKind : std::uint8_t {
  kLstm,
  kGru,       // the reset gate multiplies the state before the recurrent product (ONNX's linear_before_reset = 0)
  kGruAfter,  // ... the product itself (linear_before_reset = 1)
};

// What a gate applies to its sum. Those of a cell are named as in ONNX: LSTM f = sigmoid (input, output, forget), g =
// tanh (cell), h = tanh (output); GRU f = sigmoid (update, reset), g = tanh (hidden), h unused.
struct GateFunction {
  enum class Kind : std::uint8_t { kSigmoid, kTanh, kRelu, kHardSigmoid };
  Kind kind = Kind::kSigmoid;
  float alpha = 0.2f, beta = 0.5f;  // hard sigmoid: max(0, min(1, alpha x + beta))
};

struct RecurrentCell {
  CellKind kind = CellKind::kLstm;
  std::size_t inputs = 0, hidden = 0;
  std::size_t batch = 1;      // sequences that are run beside each other
  bool has_peephole = false;  // LSTM: the gates also see the cell state
  GateFunction f{GateFunction::Kind::kSigmoid}, g{GateFunction::Kind::kTanh}, h{GateFunction::Kind::kTanh};

  std::size_t gates() const { return kind == CellKind::kLstm ? 4 : 3; }
};

// As ONNX orders them: gates i, o, f, c of an LSTM; z, r, h of a GRU. Null: zeros.
struct RecurrentWeights {
  const float* input = nullptr;      // [gates][hidden][inputs]
  const float* recurrent = nullptr;  // [gates][hidden][hidden]
  const float* bias = nullptr;       // [2][gates][hidden]: of the input, of the recurrence
  const float* peephole = nullptr;   // [3][hidden], of i, o, f, if the cell has it
};

// Floats that PackRecurrent writes.
std::size_t PackedRecurrentFloats(const RecurrentCell& cell);
// `packed`: 64-byte aligned, zero-filled. Its layout is that of the processor's vectors: not to be stored.
void PackRecurrent(const RecurrentCell& cell, const RecurrentWeights& weights, float* packed);

// A sequence of `steps` for each of the batch. Positions are counted in rows: of `inputs` floats in x, of `hidden` in
// y.
struct RecurrentSequence {
  std::size_t steps = 0;
  bool reverse = false;      // from the last step to the first
  const float* x = nullptr;  // (step, b) stands at row step * x_step + b * x_batch, steps * batch rows
  std::size_t x_step = 1, x_batch = 1;
  const float* initial_h = nullptr;  // [batch][hidden]; null: zeros
  const float* initial_c = nullptr;
  std::size_t initial_batch = 1;  // rows between two of the batch
  float* y = nullptr;             // null: nobody asks
  std::size_t y_step = 1, y_batch = 1;
  float* last_h = nullptr;  // null: nobody asks
  float* last_c = nullptr;
  std::size_t last_batch = 1;
};

// Floats of scratch, 64-byte aligned, that a run needs.
std::size_t RecurrentScratchFloats(const RecurrentCell& cell, std::size_t steps);
// REQUIRES: steps, batch, inputs, hidden >= 1. Writes nothing beyond the ends of y, last_h, last_c.
void RunRecurrent(const RecurrentCell& cell, const float* packed, const RecurrentSequence& sequence, float* scratch);

}  // namespace punctual::native
