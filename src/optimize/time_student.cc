#include "optimize/time_student.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <vector>

#include "base/clock.h"
#include "market/simulator.h"
#include "market/window.h"
#include "model/backend_choice.h"
#include "model/trial_inputs.h"

namespace punctual::optimize {
namespace {

constexpr int kTurns = 9;
constexpr int kRunsInTurn = 100;

// What `features` are computed from, and where to.
struct Books {
  FeaturePlan plan;
  Window window;
  std::vector<float> row;
};

Result<Books> BooksFor(const FeatureSpec& features) {
  PUNCTUAL_ASSIGN(FeaturePlan plan, FeaturePlan::Make(features));
  SimulatorOptions options;
  options.symbols = 1;
  options.levels = plan.levels();
  PUNCTUAL_ASSIGN(Simulator simulator, Simulator::Make(options));
  std::vector<BookSnapshot> snapshots;
  for (std::size_t i = 0; i < plan.history(); ++i) snapshots.push_back(simulator.Next().book);
  std::vector<float> row(static_cast<std::size_t>(plan.window()) * plan.columns());
  return Books{std::move(plan), Window::Of(snapshots, {}), std::move(row)};
}

double MicrosecondsSince(TimePoint begin) {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count();
}

// Of `answer`, a Result<void>().
template <class Answer>
Result<StudentTime> Time(const Answer& answer) {
  StudentTime time{.typical_us = std::numeric_limits<double>::infinity()};
  std::vector<double> each;
  for (int turn = 0; turn < kTurns; ++turn) {
    const TimePoint begin = std::chrono::steady_clock::now();
    for (int i = 0; i < kRunsInTurn; ++i) {
      const TimePoint before = std::chrono::steady_clock::now();
      PUNCTUAL_TRY(answer());
      each.push_back(MicrosecondsSince(before));
    }
    time.typical_us = std::min(time.typical_us, MicrosecondsSince(begin) / kRunsInTurn);
  }
  const auto p99 = each.begin() + static_cast<std::ptrdiff_t>(each.size() * 99 / 100);
  std::nth_element(each.begin(), p99, each.end());
  time.p99_us = *p99;
  return time;
}

}  // namespace

Result<StudentTime> TimeStudent(const std::string& onnx, const std::optional<FeatureSpec>& features) {
  PUNCTUAL_ASSIGN(const BackendChoice choice,
                  ChooseBackend("auto", {.onnx = onnx, .where = "student", .precision = "fp32", .device = "CPU"}, ""));
  PUNCTUAL_ASSIGN(const auto session, choice.compiled->NewSession(1));
  FillRandomly(choice.compiled->signature(), *session);
  if (!features) return Time([&] { return session->Run(); });
  PUNCTUAL_ASSIGN(Books books, BooksFor(*features));
  return Time([&]() -> Result<void> {
    PUNCTUAL_TRY(books.plan.Compute(books.window, books.row));
    return session->Run();
  });
}

}  // namespace punctual::optimize
