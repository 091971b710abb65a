#include "backend/native/kernels/recurrent.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backend/native/kernels/recurrent.cc"
#include <hwy/foreach_target.h>
// After foreach_target.h.
#include "backend/native/kernels/gates-inl.h"
#include "backend/native/kernels/panel_product-inl.h"
#include "backend/native/kernels/recurrent_layout-inl.h"

HWY_BEFORE_NAMESPACE();
namespace punctual::native {
namespace HWY_NAMESPACE {
namespace {

using namespace recurrent;

std::size_t PackedFloats(const RecurrentCell& cell) { return RecurrentLayout(cell).packed_floats(); }

void Pack(const RecurrentCell& cell, const RecurrentWeights& weights, float* packed) {
  RecurrentLayout(cell).Pack(weights, packed);
}

std::size_t ScratchFloats(const RecurrentCell& cell, std::size_t steps) {
  return RecurrentLayout(cell).scratch_floats(steps);
}

// What a step reads and writes, by row of the batch.
struct StepState {
  const float* projected;  // the inputs' part of the gates
  std::size_t projected_stride;
  bool h_is_zero;
  const float* h;  // these: [batch][state_floats]
  float* next_h;
  float* c;             // LSTM
  float* update;        // GRU
  float* reset_hidden;  // GRU
};

// The gates of rows_at_once rows. `x`: null: zeros.
void ComputeGates(const RecurrentLayout& layout, const Panel& panel, const float* packed, Way way, const float* x,
                  const float* init, std::size_t init_stride, float* gates) {
  const float* const weights = packed + panel.weights;
  const std::size_t hidden = layout.cell().hidden, stride = layout.state_floats();
  if (x == nullptr)
    for (std::size_t row = 0; row < layout.rows_at_once(); ++row)
      std::copy_n(init + row * init_stride, panel.vectors * hn::Lanes(FloatTag()),
                  gates + row * panel.vectors * hn::Lanes(FloatTag()));
  else if (layout.rows_at_once() == 1)
    PanelTimesVector(panel.vectors, weights, x, hidden, way, init, gates);
  else
    PanelTimesBatch(layout.rows_at_once(), panel.vectors, weights, x, stride, hidden, init, init_stride, gates);
}

// One step. On the way down the units are taken in the opposite order, and so are the weights: what the step before
// used last is used first, while it is still in the nearest cache; and the states that it computed first are the first
// to be needed.
template <class Functions>
void RunStep(const RecurrentLayout& layout, const Functions& functions, const float* packed, Way way,
             const StepState& state, float* gates) {
  const RecurrentCell& cell = layout.cell();
  const std::size_t rows = layout.rows_at_once(), stride = layout.state_floats();
  for (const PanelSet& set : layout.sets()) {
    const bool is_candidate = cell.kind == CellKind::kGru && set.first_gate == 2;
    const float* const x = is_candidate ? state.reset_hidden : state.h;
    for (std::size_t i = 0; i < set.panels; ++i) {
      const Panel panel = set.At(way == Way::kUp ? i : set.panels - 1 - i, cell.hidden);
      const float* const projected = state.projected + panel.column;
      const bool adds_bias = cell.kind == CellKind::kGruAfter;
      for (std::size_t row = 0; row < cell.batch;) {
        // The last ones again rather than another kernel for what is left.
        const std::size_t first = std::min(row, cell.batch - rows);
        ComputeGates(
            layout, panel, packed, way, state.h_is_zero ? nullptr : x + first * stride,
            adds_bias ? packed + layout.recurrent_bias() + panel.column : projected + first * state.projected_stride,
            adds_bias ? 0 : state.projected_stride, gates);
        for (; row < first + rows; ++row) {
          const float* const sums = gates + (row - first) * panel.vectors * hn::Lanes(FloatTag());
          const std::size_t u = row * stride + panel.first_unit;
          if (cell.kind == CellKind::kLstm) {
            const float* const peephole = cell.has_peephole ? packed + layout.peephole() + panel.first_unit : nullptr;
            UpdateLstm(functions, sums, panel.units, peephole, stride, state.c + u, state.next_h + u);
          } else if (adds_bias) {
            UpdateGruAfter(functions, sums, projected + row * state.projected_stride, panel.units, state.h + u,
                           state.next_h + u);
          } else if (is_candidate) {
            UpdateGru(functions, sums, panel.units, state.update + u, state.h + u, state.next_h + u);
          } else {
            UpdateGruGates(functions, sums, panel.units, state.h + u, state.update + u, state.reset_hidden + u);
          }
        }
      }
    }
  }
}

template <class Functions>
void RunSteps(const RecurrentLayout& layout, const Functions& functions, const float* packed,
              const RecurrentSequence& sequence, float* scratch) {
  const RecurrentCell& cell = layout.cell();
  const std::size_t row_bytes = cell.hidden * sizeof(float), stride = layout.state_floats();
  const RecurrentScratch room(layout, scratch);
  std::memset(room.gates, 0, layout.gates_floats() * sizeof(float));
  std::memset(room.h[0], 0, cell.batch * stride * sizeof(float));
  std::memset(room.c, 0, cell.batch * stride * sizeof(float));
  for (std::size_t b = 0; b < cell.batch; ++b) {
    const std::size_t from = b * sequence.initial_batch * cell.hidden;
    if (sequence.initial_h != nullptr) std::memcpy(room.h[0] + b * stride, sequence.initial_h + from, row_bytes);
    if (sequence.initial_c != nullptr) std::memcpy(room.c + b * stride, sequence.initial_c + from, row_bytes);
  }

  PanelsTimesMatrix(packed + layout.input_weights(), layout.columns(), sequence.x, sequence.steps * cell.batch,
                    cell.inputs, packed + layout.input_bias(), room.projected, layout.columns() * cell.hidden);

  for (std::size_t step = 0; step < sequence.steps; ++step) {
    const std::size_t time = sequence.reverse ? sequence.steps - 1 - step : step;
    float* const next_h = room.h[(step + 1) % 2];
    const StepState state{room.projected + time * sequence.x_step * layout.columns(),
                          sequence.x_batch * layout.columns(),
                          step == 0 && sequence.initial_h == nullptr,
                          room.h[step % 2],
                          next_h,
                          room.c,
                          room.update,
                          room.reset_hidden};
    RunStep(layout, functions, packed, step % 2 == 0 ? Way::kUp : Way::kDown, state, room.gates);
    if (sequence.y == nullptr) continue;
    for (std::size_t b = 0; b < cell.batch; ++b)
      std::memcpy(sequence.y + (time * sequence.y_step + b * sequence.y_batch) * cell.hidden, next_h + b * stride,
                  row_bytes);
  }
  for (std::size_t b = 0; b < cell.batch; ++b) {
    const std::size_t to = b * sequence.last_batch * cell.hidden;
    if (sequence.last_h != nullptr)
      std::memcpy(sequence.last_h + to, room.h[sequence.steps % 2] + b * stride, row_bytes);
    if (sequence.last_c != nullptr) std::memcpy(sequence.last_c + to, room.c + b * stride, row_bytes);
  }
}

void Run(const RecurrentCell& cell, const float* packed, const RecurrentSequence& sequence, float* scratch) {
  using Kind = GateFunction::Kind;
  const RecurrentLayout layout(cell);
  if (cell.f.kind == Kind::kSigmoid && cell.g.kind == Kind::kTanh && cell.h.kind == Kind::kTanh)
    RunSteps(layout, UsualFunctions(), packed, sequence, scratch);
  else
    RunSteps(layout, ChosenFunctions(cell), packed, sequence, scratch);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace punctual::native
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace punctual::native {

HWY_EXPORT(PackedFloats);
HWY_EXPORT(Pack);
HWY_EXPORT(ScratchFloats);
HWY_EXPORT(Run);

std::size_t PackedRecurrentFloats(const RecurrentCell& cell) { return HWY_DYNAMIC_DISPATCH(PackedFloats)(cell); }

void PackRecurrent(const RecurrentCell& cell, const RecurrentWeights& weights, float* packed) {
  HWY_DYNAMIC_DISPATCH(Pack)(cell, weights, packed);
}

std::size_t RecurrentScratchFloats(const RecurrentCell& cell, std::size_t steps) {
  return HWY_DYNAMIC_DISPATCH(ScratchFloats)(cell, steps);
}

void RunRecurrent(const RecurrentCell& cell, const float* packed, const RecurrentSequence& sequence, float* scratch) {
  HWY_DYNAMIC_DISPATCH(Run)(cell, packed, sequence, scratch);
}

}  // namespace punctual::native
#endif
