#include "optimize/judge_variants.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <numeric>
#include <utility>

#include "optimize/calibration_error.h"
#include "optimize/fidelity.h"
#include "optimize/gate.h"
#include "optimize/run_model.h"

namespace punctual::optimize {

namespace {

constexpr std::size_t kBins = 10;

// Against labels; where there are none, the model's own classes are the truth.
std::vector<ConfidenceBin> ConfidenceOf(const JudgeRequest& request, const Answers& answers) {
  if (answers.width < 2 || !AreProbabilities(answers)) return {};
  std::vector<ConfidenceBin> bins(kBins);
  for (std::size_t i = 0; i < answers.count(); ++i) {
    const std::int32_t truth = request.samples.has_labels()
                                   ? request.samples.labels[request.held_out[i]]
                                   : static_cast<std::int32_t>(LargestOf(request.reference[i]));
    if (truth == Samples::kNoLabel) continue;
    const std::size_t largest = LargestOf(answers[i]);
    const auto confidence = static_cast<double>(answers[i][largest]);
    ConfidenceBin& bin = bins[static_cast<std::size_t>(std::clamp(confidence * kBins, 0.0, kBins - 1.0))];
    ++bin.count;
    bin.confidence += confidence;
    bin.right += largest == static_cast<std::size_t>(truth) ? 1 : 0;
  }
  for (ConfidenceBin& bin : bins) {
    const double count = std::max<double>(1, static_cast<double>(bin.count));
    bin.confidence /= count;
    bin.right /= count;
  }
  return bins;
}

// The run's model stays compiled: it is timed beside the others.
struct Judged {
  VariantRun run;
  std::unique_ptr<CompiledModel> model;
  const Samples* samples;
  std::vector<std::size_t> indices;  // of samples: what it is asked
};

// `first`: the answers of the candidate's first backend that can run it, once they are known.
Result<Judged> JudgeOne(const JudgeRequest& request, const Candidate& candidate, Compiled compiled,
                        std::optional<Answers>& first) {
  Judged judged{{.variant = candidate.variant, .backend = compiled.backend, .refusal = std::move(compiled.refusal)},
                std::move(compiled.model),
                &request.samples,
                request.held_out};
  if (candidate.questions != nullptr) {
    judged.samples = candidate.questions;
    std::iota(judged.indices.begin(), judged.indices.end(), std::size_t{0});
  }
  if (judged.model == nullptr) return judged;
  RunModelOptions options{.output = request.subject.output().name};
  options.progress = [&](std::size_t done, std::size_t of) {
    if (request.progress) request.progress(candidate.variant + " by " + judged.run.backend, done, of);
  };
  Result<Answers> asked = RunModel(*judged.model, *judged.samples, judged.indices, options);
  if (asked.has_error() && asked.error().code == Code::kOutOfRange && candidate.gate) {
    judged.run.refusal = asked.error().message;
    judged.model = nullptr;
    return judged;
  }
  PUNCTUAL_ASSIGN(Answers answers, std::move(asked));
  PUNCTUAL_ASSIGN(judged.run.fidelity, Compare(request.reference, answers, request.samples, request.held_out,
                                               {.bootstrap = {.seed = request.seed}}));
  judged.run.confidence = ConfidenceOf(request, answers);
  if (first)
    judged.run.like_first = Fidelity(*first, answers);
  else
    first = std::move(answers);
  judged.run.passed = true;
  if (!candidate.gate) return judged;
  GateDecision decision = Judge(*judged.run.fidelity, candidate.gate->limit, candidate.gate->option);
  judged.run.passed = decision.passed;
  judged.run.gate = std::move(decision.text);
  judged.run.unlike = judged.run.like_first && 1 - *judged.run.like_first > candidate.gate->limit;
  if (judged.run.unlike) {
    judged.run.passed = false;
    judged.run.gate += "; of the same file, " + candidate.backends.front() + " gives other answers";
  }
  return judged;
}

Result<void> Time(const JudgeRequest& request, std::vector<Judged>& all) {
  std::vector<TimedModel> models;
  for (const Judged& judged : all)
    if (judged.model != nullptr) models.push_back({judged.model.get(), judged.samples, judged.indices});
  TuneOptions options{.seed = request.seed};
  options.progress = [&](std::size_t done, std::size_t of) {
    if (request.progress) request.progress("latency, ms", done, of);
  };
  PUNCTUAL_ASSIGN(const auto timed, TimeModels(models, options));
  auto next = timed.begin();
  for (Judged& judged : all)
    if (judged.model != nullptr) judged.run.latency = *next++;
  return {};
}

Result<void> JudgeByAll(const JudgeRequest& request, const Candidate& candidate, std::vector<Judged>& all) {
  std::optional<Answers> first;
  for (Compiled& compiled : CompileByAll(request.subject, candidate.backends, candidate.onnx, candidate.precision)) {
    PUNCTUAL_ASSIGN(Judged judged, JudgeOne(request, candidate, std::move(compiled), first));
    all.push_back(std::move(judged));
  }
  return {};
}

std::vector<VariantRun> RunsOf(std::vector<Judged> all) {
  std::vector<VariantRun> runs;
  for (Judged& judged : all) runs.push_back(std::move(judged.run));
  return runs;
}

}  // namespace

Result<std::vector<VariantRun>> JudgeUntimed(const JudgeRequest& request, const Candidate& candidate) {
  std::vector<Judged> all;
  PUNCTUAL_TRY(JudgeByAll(request, candidate, all));
  return RunsOf(std::move(all));
}

Result<std::vector<VariantRun>> JudgeVariants(const JudgeRequest& request, const std::vector<Candidate>& candidates) {
  std::vector<Judged> all;
  for (const Candidate& candidate : candidates) PUNCTUAL_TRY(JudgeByAll(request, candidate, all));
  PUNCTUAL_TRY(Time(request, all));
  return RunsOf(std::move(all));
}

}  // namespace punctual::optimize
