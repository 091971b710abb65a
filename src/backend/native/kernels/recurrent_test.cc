#include "backend/native/kernels/recurrent.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include <hwy/aligned_allocator.h>

#include "backend/native/kernels/every_target.h"

namespace punctual::native {
namespace {

std::vector<float> Random(std::size_t count, float size, unsigned seed) {
  std::mt19937 engine(seed);
  std::uniform_real_distribution<float> between(-size, size);
  std::vector<float> numbers(count);
  for (float& number : numbers) number = between(engine);
  return numbers;
}

double Apply(const GateFunction& function, double x) {
  switch (function.kind) {
    case GateFunction::Kind::kSigmoid: return 1 / (1 + std::exp(-x));
    case GateFunction::Kind::kTanh: return std::tanh(x);
    case GateFunction::Kind::kRelu: return std::max(0.0, x);
    case GateFunction::Kind::kHardSigmoid: break;
  }
  return std::max(0.0, std::min(1.0, static_cast<double>(function.alpha) * x + static_cast<double>(function.beta)));
}

struct Case {
  RecurrentCell cell;
  std::size_t steps = 1;
  bool reverse = false;
  bool has_bias = true, has_initial = true;
};

// All of one run: its inputs, and what it computes by the letter of ONNX, in double.
class Example {
 public:
  explicit Example(const Case& of) : case_(of) {
    const RecurrentCell& cell = of.cell;
    const float size = 1.5f / std::sqrt(static_cast<float>(cell.hidden));
    w_ = Random(cell.gates() * cell.hidden * cell.inputs, size, 1);
    r_ = Random(cell.gates() * cell.hidden * cell.hidden, size, 2);
    b_ = Random(2 * cell.gates() * cell.hidden, 0.5f, 3);
    p_ = Random(3 * cell.hidden, 0.5f, 4);
    x_ = Random(of.steps * of.cell.batch * cell.inputs, 2, 5);
    h_ = Random(of.cell.batch * cell.hidden, 1, 6);
    c_ = Random(of.cell.batch * cell.hidden, 1, 7);
    Compute();
  }

  // Runs the kernel with y in [step][batch] or [batch][step] order, and compares.
  void Check(bool batch_first, bool wants_y) const {
    const RecurrentCell& cell = case_.cell;
    const auto packed = Room(PackedRecurrentFloats(cell));
    PackRecurrent(cell,
                  {w_.data(), r_.data(), case_.has_bias ? b_.data() : nullptr, cell.has_peephole ? p_.data() : nullptr},
                  packed.get());
    const std::size_t scratch_floats = RecurrentScratchFloats(cell, case_.steps);
    const auto scratch = Room(scratch_floats);
    std::fill_n(scratch.get(), scratch_floats, NAN);
    RecurrentSequence sequence;
    sequence.steps = case_.steps;
    sequence.reverse = case_.reverse;
    sequence.x_step = sequence.y_step = batch_first ? 1 : case_.cell.batch;
    sequence.x_batch = sequence.y_batch = batch_first ? case_.steps : 1;
    std::vector<float> x(x_.size());
    for (std::size_t t = 0; t < case_.steps; ++t)
      for (std::size_t b = 0; b < case_.cell.batch; ++b)
        std::copy_n(&x_[(t * case_.cell.batch + b) * cell.inputs], cell.inputs,
                    &x[(t * sequence.x_step + b * sequence.x_batch) * cell.inputs]);
    sequence.x = x.data();
    if (case_.has_initial) sequence.initial_h = h_.data(), sequence.initial_c = c_.data();
    constexpr float kUntouched = 77;
    std::vector<float> y(case_.steps * case_.cell.batch * cell.hidden + 16, kUntouched);
    std::vector<float> last_h(case_.cell.batch * cell.hidden + 16, kUntouched), last_c = last_h;
    if (wants_y) sequence.y = y.data();
    sequence.last_h = last_h.data();
    if (cell.kind == CellKind::kLstm) sequence.last_c = last_c.data();
    RunRecurrent(cell, packed.get(), sequence, scratch.get());

    double worst = 0;
    const auto compare = [&worst](double expected, float computed) {
      const double error = std::abs(expected - static_cast<double>(computed));
      if (!(error <= worst)) worst = error;
    };
    for (std::size_t b = 0; b < case_.cell.batch; ++b) {
      for (std::size_t u = 0; u < cell.hidden; ++u) {
        const std::size_t last = case_.reverse ? 0 : case_.steps - 1;
        compare(y_[(last * case_.cell.batch + b) * cell.hidden + u], last_h[b * cell.hidden + u]);
        if (cell.kind == CellKind::kLstm) compare(last_c_[b * cell.hidden + u], last_c[b * cell.hidden + u]);
        for (std::size_t t = 0; wants_y && t < case_.steps; ++t)
          compare(y_[(t * case_.cell.batch + b) * cell.hidden + u],
                  y[(t * sequence.y_step + b * sequence.y_batch) * cell.hidden + u]);
      }
    }
    EXPECT_LE(worst, 4e-6);
    for (std::size_t i = 0; i < 16; ++i) {
      EXPECT_EQ(y[y.size() - 16 + i], kUntouched);
      EXPECT_EQ(last_h[last_h.size() - 16 + i], kUntouched);
      EXPECT_EQ(last_c[last_c.size() - 16 + i], kUntouched);
    }
  }

 private:
  static hwy::AlignedFreeUniquePtr<float[]> Room(std::size_t count) {
    auto room = hwy::AllocateAligned<float>(count);
    std::fill_n(room.get(), count, 0.0f);
    return room;
  }

  // Of the gate's unit: without the recurrent part, and that part.
  double Projected(std::size_t row, std::size_t gate, std::size_t unit) const {
    const RecurrentCell& cell = case_.cell;
    double sum = case_.has_bias ? static_cast<double>(b_[gate * cell.hidden + unit]) : 0;
    for (std::size_t i = 0; i < cell.inputs; ++i)
      sum += static_cast<double>(w_[(gate * cell.hidden + unit) * cell.inputs + i]) *
             static_cast<double>(x_[row * cell.inputs + i]);
    return sum;
  }
  double Recurrent(const std::vector<double>& h, std::size_t gate, std::size_t unit) const {
    const RecurrentCell& cell = case_.cell;
    double sum = case_.has_bias ? static_cast<double>(b_[(cell.gates() + gate) * cell.hidden + unit]) : 0;
    for (std::size_t i = 0; i < cell.hidden; ++i)
      sum += static_cast<double>(r_[(gate * cell.hidden + unit) * cell.hidden + i]) * h[i];
    return sum;
  }
  double Peephole(std::size_t gate, std::size_t unit) const {
    return case_.cell.has_peephole ? static_cast<double>(p_[gate * case_.cell.hidden + unit]) : 0;
  }

  void Compute() {
    const RecurrentCell& cell = case_.cell;
    y_.assign(case_.steps * case_.cell.batch * cell.hidden, 0);
    for (std::size_t b = 0; b < case_.cell.batch; ++b) {
      std::vector<double> h(cell.hidden, 0), c(cell.hidden, 0);
      for (std::size_t u = 0; case_.has_initial && u < cell.hidden; ++u) {
        h[u] = static_cast<double>(h_[b * cell.hidden + u]);
        c[u] = static_cast<double>(c_[b * cell.hidden + u]);
      }
      for (std::size_t step = 0; step < case_.steps; ++step) {
        const std::size_t row = (case_.reverse ? case_.steps - 1 - step : step) * case_.cell.batch + b;
        const auto gate = [&](std::size_t g, std::size_t u) { return Projected(row, g, u) + Recurrent(h, g, u); };
        std::vector<double> next(cell.hidden), reset_h(cell.hidden);
        for (std::size_t u = 0; u < cell.hidden; ++u) reset_h[u] = Apply(cell.f, gate(1, u)) * h[u];
        for (std::size_t u = 0; u < cell.hidden; ++u) {
          if (cell.kind == CellKind::kLstm) {
            const double i = Apply(cell.f, gate(0, u) + Peephole(0, u) * c[u]);
            const double f = Apply(cell.f, gate(2, u) + Peephole(2, u) * c[u]);
            c[u] = f * c[u] + i * Apply(cell.g, gate(3, u));
            next[u] = Apply(cell.f, gate(1, u) + Peephole(1, u) * c[u]) * Apply(cell.h, c[u]);
            continue;
          }
          const double z = Apply(cell.f, gate(0, u));
          const double hidden = cell.kind == CellKind::kGruAfter
                                    ? Projected(row, 2, u) + Apply(cell.f, gate(1, u)) * Recurrent(h, 2, u)
                                    : Projected(row, 2, u) + Recurrent(reset_h, 2, u);
          next[u] = (1 - z) * Apply(cell.g, hidden) + z * h[u];
        }
        h = next;
        std::copy(h.begin(), h.end(), y_.begin() + static_cast<std::ptrdiff_t>(row * cell.hidden));
      }
      last_c_.insert(last_c_.end(), c.begin(), c.end());
    }
  }

  Case case_;
  std::vector<float> w_, r_, b_, p_, x_, h_, c_;
  std::vector<double> y_, last_c_;
};

void CheckEverywhere(const Case& of) {
  const Example example(of);
  SCOPED_TRACE("kind " + std::to_string(static_cast<int>(of.cell.kind)) + ", " + std::to_string(of.cell.hidden) +
               " units, " + std::to_string(of.cell.inputs) + " inputs, " + std::to_string(of.steps) + " steps, batch " +
               std::to_string(of.cell.batch));
  test::OnEveryTarget([&] {
    for (const bool batch_first : {false, true})
      for (const bool wants_y : {false, true}) example.Check(batch_first, wants_y);
  });
}

constexpr CellKind kKinds[] = {CellKind::kLstm, CellKind::kGru, CellKind::kGruAfter};

TEST(RecurrentTest, CellsOfAllSizesFollowTheirDefinition) {
  for (const CellKind kind : kKinds)
    for (const std::size_t hidden : {1, 2, 3, 5, 8, 15, 16, 17, 33, 50, 64, 100, 130})
      for (const std::size_t inputs : {std::size_t{1}, std::size_t{40}}) {
        Case of;
        of.cell = {.kind = kind, .inputs = inputs, .hidden = hidden};
        of.steps = hidden % 7 + 1;
        CheckEverywhere(of);
      }
}

TEST(RecurrentTest, BatchesRunBesideEachOther) {
  for (const CellKind kind : kKinds)
    for (const std::size_t batch : {2, 3, 4, 6, 7, 13}) {
      Case of;
      of.cell = {.kind = kind, .inputs = 5, .hidden = 20};
      of.steps = 4;
      of.cell.batch = batch;
      CheckEverywhere(of);
    }
}

TEST(RecurrentTest, ReverseBeginsWithTheLastStep) {
  for (const CellKind kind : kKinds) {
    Case of;
    of.cell = {.kind = kind, .inputs = 6, .hidden = 19};
    of.steps = 5;
    of.cell.batch = 2;
    of.reverse = true;
    CheckEverywhere(of);
  }
}

TEST(RecurrentTest, BiasAndInitialStatesMayBeLeftOut) {
  for (const CellKind kind : kKinds)
    for (const std::size_t batch : {1, 5}) {
      Case of;
      of.cell = {.kind = kind, .inputs = 6, .hidden = 19, .batch = batch};
      of.steps = 5;
      of.has_bias = of.has_initial = false;
      CheckEverywhere(of);
    }
}

TEST(RecurrentTest, PeepholesShowTheCellStateToTheGates) {
  Case of;
  of.cell = {.kind = CellKind::kLstm, .inputs = 6, .hidden = 21, .has_peephole = true};
  of.steps = 5;
  CheckEverywhere(of);
}

TEST(RecurrentTest, OtherFunctionsMayTakeTheGates) {
  for (const CellKind kind : kKinds) {
    Case of;
    of.cell = {.kind = kind, .inputs = 6, .hidden = 21};
    of.cell.f = {GateFunction::Kind::kHardSigmoid, 0.3f, 0.4f};
    of.cell.g = {GateFunction::Kind::kRelu};
    of.cell.h = {GateFunction::Kind::kSigmoid};
    of.steps = 3;
    CheckEverywhere(of);
  }
}

// Weights larger than the nearest caches; errors must not grow along the sequence.
TEST(RecurrentTest, LongSequencesStayAccurate) {
  for (const CellKind kind : kKinds) {
    Case of;
    of.cell = {.kind = kind, .inputs = 30, .hidden = 200};
    of.steps = 60;
    CheckEverywhere(of);
  }
}

}  // namespace
}  // namespace punctual::native
