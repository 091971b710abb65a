#include "optimize/distill.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "market/random.h"
#include "optimize/printed_number.h"
#include "optimize/student_file.h"

namespace punctual::optimize {
namespace {

constexpr std::size_t kFewestSearched = 30;
constexpr std::size_t kMostPlans = 10'000;

// What is trained once: a perceptron, or trees of one depth, from which every number of rounds is cut.
struct Plan {
  Trial trial;
  std::size_t trials = 1;
};

Result<void> CheckOptions(const DistillOptions& options) {
  const auto wrong = [](const std::string& what) { return Fail(Code::kInvalidArgument, "distill: " + what); };
  if (!(options.budget_us > 0)) return wrong("budget_us: must be above 0");
  if (options.most_trials < 1) return wrong("most_trials: must be at least 1");
  if (!options.trees && !options.mlp) return wrong("trees, mlp: one of them must be on");
  if (options.trees && (options.depths.empty() || options.rounds.empty()))
    return wrong("depths, rounds: must not be empty");
  if (options.mlp && options.hidden.empty()) return wrong("hidden: must not be empty");
  if (!std::is_sorted(options.rounds.begin(), options.rounds.end())) return wrong("rounds: must be ascending");
  if (options.depths.size() + options.rounds.size() + options.hidden.size() > kMostPlans)
    return wrong("there are too many sizes to try");
  return {};
}

Rows RowsOf(const Rows& rows, std::span<const std::size_t> indices) {
  Rows taken{rows.width, {}};
  taken.values.reserve(indices.size() * rows.width);
  for (const std::size_t i : indices) taken.Append(rows[i]);
  return taken;
}

class Search {
 public:
  Search(const DistillRequest& request, const DistillOptions& options)
      : request_(request), options_(options), random_(options.seed), meaning_(MeaningOf(request.of_fit)) {}

  Result<Distilled> Run() {
    PUNCTUAL_TRY(CheckRequest());
    PUNCTUAL_TRY(AddQuestions());
    const std::vector<Plan> plans = MakePlans();
    if (plans.empty())
      return Fail(Code::kInvalidArgument,
                  "distill: every view is wider than widest_for_trees = " + std::to_string(options_.widest_for_trees) +
                      ", and mlp is off: nothing is left to try");
    for (const Plan& plan : plans) all_ += plan.trials;
    all_ = std::min(all_, options_.most_trials);
    for (const Plan& plan : plans)
      if (result_.trials.size() < options_.most_trials)
        PUNCTUAL_TRY(plan.trial.kind == StudentKind::kMlp ? TryMlp(plan.trial) : TryTrees(plan.trial));
    if (!result_.onnx.empty()) return std::move(result_);
    const auto quickest = std::min_element(result_.trials.begin(), result_.trials.end(),
                                           [](const Trial& a, const Trial& b) { return a.took_us < b.took_us; });
    return Fail(Code::kFailedPrecondition,
                "distill: no student answers within budget_us = " + MicrosecondsText(options_.budget_us) +
                    "; the quickest, " + Describe(*quickest, request_.views) + ", takes " +
                    MicrosecondsText(quickest->took_us) + " us: allow that much, or give it fewer columns");
  }

 private:
  Result<void> CheckRequest() const {
    if (request_.views.empty()) return Fail(Code::kInvalidArgument, "distill: there is no view for a student to have");
    const Parts& parts = request_.parts;
    if (request_.of_fit.count() != parts.fit.size() || request_.of_search.count() != parts.search.size() ||
        request_.of_fit.width != request_.of_search.width)
      return Fail(Code::kInvalidArgument, "distill: the model's answers do not match the samples to fit and to search");
    if (parts.search.size() < kFewestSearched)
      return Fail(Code::kFailedPrecondition, "distill: there are " + std::to_string(parts.search.size()) +
                                                 " samples to choose by, it takes at least " +
                                                 std::to_string(kFewestSearched) + "; record more");
    for (const StudentView& view : request_.views) {
      if (view.rows.count() != request_.samples.count())
        return Fail(Code::kInvalidArgument, "distill: \"" + view.name + "\" has not a row for each sample");
      // Before any of the recorded ones are mixed with added ones: errors tell of what was recorded.
      PUNCTUAL_TRY(CheckTrainingSet({RowsOf(view.rows, parts.fit), request_.of_fit}, meaning_));
    }
    return {};
  }

  Result<void> AddQuestions() {
    const bool adds = options_.augment.interpolated > 0 || options_.augment.noised > 0;
    std::vector<TrainingSet> added(request_.views.size());
    if (adds) {
      AugmentOptions augment = options_.augment;
      augment.seed = options_.seed;
      PUNCTUAL_ASSIGN(added, Augment(request_.samples, request_.parts.fit, request_.views, request_.labeller, augment));
    }
    for (std::size_t i = 0; i < request_.views.size(); ++i) {
      const Rows& rows = request_.views[i].rows;
      TrainingSet& fit = fit_.emplace_back();
      fit = {RowsOf(rows, request_.parts.fit), request_.of_fit};
      fit.x.Append(added[i].x.values);
      fit.y.values.insert(fit.y.values.end(), added[i].y.values.begin(), added[i].y.values.end());
      search_.push_back({RowsOf(rows, request_.parts.search), request_.of_search});
    }
    return {};
  }

  std::vector<Plan> MakePlans() {
    std::vector<Plan> plans;
    std::size_t trials = 0;
    const auto add = [&](Trial trial, std::size_t count) {
      plans.push_back({std::move(trial), count});
      trials += count;
    };
    for (std::size_t view = 0; view < request_.views.size(); ++view) {
      if (options_.trees && request_.views[view].width() <= options_.widest_for_trees)
        for (const int depth : options_.depths)
          add({.kind = StudentKind::kTrees, .view = view, .depth = depth, .hidden = {}}, options_.rounds.size());
      if (options_.mlp)
        for (const auto& hidden : options_.hidden) add({.kind = StudentKind::kMlp, .view = view, .hidden = hidden}, 1);
    }
    if (trials > options_.most_trials)
      for (std::size_t i = plans.size(); i > 1; --i) std::swap(plans[i - 1], plans[random_.Below(i)]);
    return plans;
  }

  Result<void> TryMlp(Trial trial) {
    const StudentView& view = request_.views[trial.view];
    const TrainingSet& fit = fit_[trial.view];
    MlpOptions training = options_.training;
    training.hidden = trial.hidden;
    training.seed = options_.seed;
    // What it takes follows from its size: those that are too slow need not be trained.
    PUNCTUAL_ASSIGN(const Mlp begun, BeginMlp(fit.x.width, fit.y.width, meaning_, training));
    PUNCTUAL_ASSIGN(const std::string sized, WriteMlp(begun, view, request_.output));
    PUNCTUAL_TRY(Time(trial, sized));
    if (!trial.fits) return Note(trial, {});
    PUNCTUAL_ASSIGN(const Mlp trained, TrainMlp(fit, search_[trial.view], meaning_, training));
    PUNCTUAL_ASSIGN(std::string onnx, WriteMlp(trained, view, request_.output));
    trial.fidelity = request_.judge(request_.of_search, trained.Predict(search_[trial.view].x));
    return Note(trial, std::move(onnx));
  }

  Result<void> TryTrees(Trial trial) {
    const TrainingSet& search = search_[trial.view];
    BoostedTreesOptions boosting = options_.boosting;
    boosting.depth = trial.depth;
    boosting.rounds = options_.rounds.back();
    boosting.seed = options_.seed;
    PUNCTUAL_ASSIGN(const BoostedTrees trees, BoostedTrees::Train(fit_[trial.view], search, meaning_, boosting));
    for (const int rounds : options_.rounds) {
      if (result_.trials.size() >= options_.most_trials) return {};
      trial.rounds = std::min(rounds, trees.best_rounds());
      trial.fidelity = 0;
      PUNCTUAL_ASSIGN(const Forest forest, trees.Take(trial.rounds));
      PUNCTUAL_ASSIGN(std::string onnx, WriteForest(forest, request_.views[trial.view], request_.output));
      PUNCTUAL_TRY(Time(trial, onnx));
      if (trial.fits) {
        PUNCTUAL_ASSIGN(const Answers answers, trees.Predict(search.x, trial.rounds));
        trial.fidelity = request_.judge(request_.of_search, answers);
      }
      PUNCTUAL_TRY(Note(trial, std::move(onnx)));
      // Larger ones are not quicker, and those beyond the best are no more faithful.
      if (!trial.fits || trial.rounds == trees.best_rounds()) break;
    }
    return {};
  }

  Result<void> Time(Trial& trial, const std::string& onnx) const {
    PUNCTUAL_ASSIGN(trial.took_us, request_.timer(onnx, request_.views[trial.view]));
    trial.fits = trial.took_us <= options_.budget_us;
    return {};
  }

  Result<void> Note(const Trial& trial, std::string onnx) {
    if (trial.fits && !std::isfinite(trial.fidelity))
      return Fail(Code::kInternal, "distill: the judge says nothing finite of " + Describe(trial, request_.views));
    if (trial.fits && (result_.onnx.empty() || trial.fidelity > result_.trial.fidelity)) {
      result_.trial = trial;
      result_.onnx = std::move(onnx);
    }
    result_.trials.push_back(trial);
    if (options_.progress) options_.progress(trial, result_.trials.size(), all_);
    return {};
  }

  const DistillRequest& request_;
  const DistillOptions& options_;
  Random random_;
  const Meaning meaning_;
  std::vector<TrainingSet> fit_, search_;  // as each view sees them
  std::size_t all_ = 0;                    // trials at most
  Distilled result_;
};

}  // namespace

std::string Describe(const Trial& trial, const std::vector<StudentView>& views) {
  std::string text;
  if (trial.kind == StudentKind::kTrees) {
    text = std::to_string(trial.rounds) + " rounds of trees, depth " + std::to_string(trial.depth);
  } else {
    text = "perceptron";
    for (const std::size_t width : trial.hidden) text += (text == "perceptron" ? " " : "-") + std::to_string(width);
  }
  return text + ", from " + views[trial.view].name;
}

Result<Distilled> Distill(const DistillRequest& request, const DistillOptions& options) {
  PUNCTUAL_TRY(CheckOptions(options));
  return Search(request, options).Run();
}

}  // namespace punctual::optimize
