// Where the weights of a recurrent cell, and what it computes with, stand; by the width of the target's vectors.

// Included once a target: see hwy/foreach_target.h.
#if defined(PUNCTUAL_NATIVE_RECURRENT_LAYOUT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef PUNCTUAL_NATIVE_RECURRENT_LAYOUT_INL_H_
#undef PUNCTUAL_NATIVE_RECURRENT_LAYOUT_INL_H_
#else
#define PUNCTUAL_NATIVE_RECURRENT_LAYOUT_INL_H_
#endif

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "backend/native/kernels/panel_product-inl.h"
#include "backend/native/kernels/recurrent.h"

HWY_BEFORE_NAMESPACE();
namespace punctual::native {
namespace HWY_NAMESPACE {
namespace recurrent {

// A panel of recurrent weights: all gates of some units. Its columns are [gate][unit], without a gap, filled up to
// whole vectors at the end; its rows are the hidden states from the last to the first, so that they are read upwards on
// the way up (PanelTimesVector).
struct Panel {
  std::size_t first_unit, units, vectors;
  std::size_t column;   // of the first, in a row of the projected inputs
  std::size_t weights;  // in the packed floats
};

// The panels of some of the gates.
struct PanelSet {
  std::size_t first_gate, gates;
  std::size_t column, weights;
  std::size_t panels, blocks_each, with_one_more;  // a block: as many units as a vector has lanes

  Panel At(std::size_t i, std::size_t hidden) const {
    const std::size_t lanes = hn::Lanes(FloatTag());
    const std::size_t first = (i * blocks_each + std::min(i, with_one_more)) * lanes;
    const std::size_t blocks = blocks_each + (i < with_one_more ? 1 : 0);
    const std::size_t units = std::min(blocks * lanes, hidden - first);
    return {first, units, (gates * units + lanes - 1) / lanes, column + gates * first,
            weights + gates * first * hidden};
  }
};

class RecurrentLayout {
 public:
  explicit RecurrentLayout(const RecurrentCell& cell) : cell_(cell) {
    rows_at_once_ = RowsTogether(cell.batch);
    // A GRU that multiplies the state before the product has to know all reset gates before the third gate.
    const bool in_two = cell.kind == CellKind::kGru;
    set_count_ = in_two ? 2 : 1;
    sets_[0] = Divide(0, in_two ? 2 : cell.gates());
    columns_ = Columns(sets_[0]);
    if (in_two) {
      sets_[1] = Divide(2, 1);
      sets_[1].column = columns_;
      columns_ += Columns(sets_[1]);
    }
    std::size_t floats = 0;
    const auto take = [&floats](std::size_t count) { return std::exchange(floats, Whole(floats + count)); };
    input_weights_ = take(columns_ * cell.inputs);
    for (std::size_t i = 0; i < set_count_; ++i) sets_[i].weights = take(Columns(sets_[i]) * cell.hidden);
    input_bias_ = take(columns_);
    recurrent_bias_ = take(columns_);
    peephole_ = take(cell.has_peephole ? 3 * state_floats() : 0);
    packed_floats_ = floats;
  }

  const RecurrentCell& cell() const { return cell_; }
  // Of the batch; cell().batch is not less.
  std::size_t rows_at_once() const { return rows_at_once_; }
  std::span<const PanelSet> sets() const { return {sets_.data(), set_count_}; }
  std::size_t columns() const { return columns_; }
  // Offsets in the packed floats. The sets' weights stand behind those of the inputs.
  std::size_t input_weights() const { return input_weights_; }
  std::size_t input_bias() const { return input_bias_; }
  std::size_t recurrent_bias() const { return recurrent_bias_; }
  std::size_t peephole() const { return peephole_; }  // [3][state_floats()]
  std::size_t packed_floats() const { return packed_floats_; }
  // Of one state: units are updated in whole vectors.
  std::size_t state_floats() const { return Whole(cell_.hidden); }
  // Of a panel's gates; a vector may be read beyond them.
  std::size_t gates_floats() const { return Whole((rows_at_once_ * most_panel_vectors() + 1) * hn::Lanes(FloatTag())); }
  std::size_t scratch_floats(std::size_t steps) const {
    return Whole(steps * cell_.batch * columns_) + kWhole + gates_floats() + 5 * cell_.batch * state_floats();
  }

  // `packed` is zero-filled.
  void Pack(const RecurrentWeights& weights, float* packed) const {
    const std::size_t hidden = cell_.hidden, inputs = cell_.inputs;
    for (const PanelSet& set : sets()) {
      for (std::size_t i = 0; i < set.panels; ++i) {
        const Panel panel = set.At(i, hidden);
        const std::size_t width = panel.vectors * hn::Lanes(FloatTag());
        for (std::size_t j = 0; j < set.gates * panel.units; ++j) {
          const std::size_t gate = set.first_gate + j / panel.units;
          const std::size_t unit = panel.first_unit + j % panel.units;
          const float* const recurrent = weights.recurrent + (gate * hidden + unit) * hidden;
          for (std::size_t k = 0; k < hidden; ++k) packed[panel.weights + (hidden - 1 - k) * width + j] = recurrent[k];
          PackInput(weights.input + (gate * hidden + unit) * inputs, panel.column + j, packed);
          if (weights.bias == nullptr) continue;
          const float of_input = weights.bias[gate * hidden + unit];
          const float of_recurrence = weights.bias[(cell_.gates() + gate) * hidden + unit];
          packed[input_bias_ + panel.column + j] = of_input;
          // The reset gate multiplies one bias of the hidden gate; all others just add up.
          if (cell_.kind == CellKind::kGruAfter && gate == 2)
            packed[recurrent_bias_ + panel.column + j] = of_recurrence;
          else
            packed[input_bias_ + panel.column + j] += of_recurrence;
        }
      }
    }
    if (!cell_.has_peephole) return;
    for (std::size_t gate = 0; gate < 3; ++gate)
      std::copy_n(weights.peephole + gate * hidden, hidden, packed + peephole_ + gate * state_floats());
  }

 private:
  static constexpr std::size_t kWhole = 16;  // floats of 64 bytes
  static constexpr std::size_t Whole(std::size_t floats) { return (floats + kWhole - 1) / kWhole * kWhole; }

  std::size_t most_panel_vectors() const { return rows_at_once_ == 1 ? kMostPanelVectors : kBatchVectors; }
  PanelSet Divide(std::size_t first_gate, std::size_t gates) const {
    const std::size_t lanes = hn::Lanes(FloatTag());
    const std::size_t blocks = (cell_.hidden + lanes - 1) / lanes;
    const std::size_t most = most_panel_vectors() / gates;
    const std::size_t panels = (blocks + most - 1) / most;
    return {first_gate, gates, 0, 0, panels, blocks / panels, blocks % panels};
  }
  std::size_t Columns(const PanelSet& set) const {
    const std::size_t lanes = hn::Lanes(FloatTag());
    return (set.gates * cell_.hidden + lanes - 1) / lanes * lanes;
  }
  // The weights of one column where PanelsTimesMatrix expects them.
  void PackInput(const float* input, std::size_t column, float* packed) const {
    const std::size_t most = MatrixPanelColumns(columns_);
    const std::size_t first = column / most * most;
    const std::size_t width = std::min(most, columns_ - first);
    float* const to = packed + input_weights_ + first * cell_.inputs + (column - first);
    for (std::size_t k = 0; k < cell_.inputs; ++k) to[k * width] = input[k];
  }

  RecurrentCell cell_;
  std::array<PanelSet, 2> sets_;
  std::size_t rows_at_once_ = 1, set_count_ = 0, columns_ = 0;
  std::size_t input_weights_ = 0, input_bias_ = 0, recurrent_bias_ = 0, peephole_ = 0, packed_floats_ = 0;
};

// A run's scratch.
struct RecurrentScratch {
  RecurrentScratch(const RecurrentLayout& layout, float* scratch) {
    const std::size_t states = layout.cell().batch * layout.state_floats();
    gates = scratch;
    h[0] = gates + layout.gates_floats();
    h[1] = h[0] + states;
    c = h[1] + states;
    update = c + states;
    reset_hidden = update + states;
    projected = reset_hidden + states;
  }
  float* gates;         // [rows_at_once][a panel's vectors]
  float* h[2];          // [batch][state_floats], of this step and of the next in turn
  float* c;             // [batch][state_floats]
  float* update;        // [batch][state_floats]
  float* reset_hidden;  // [batch][state_floats]
  float* projected;     // [steps * batch][columns]; a vector may be read beyond it
};

}  // namespace recurrent
}  // namespace HWY_NAMESPACE
}  // namespace punctual::native
HWY_AFTER_NAMESPACE();

#endif
