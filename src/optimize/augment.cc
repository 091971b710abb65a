#include "optimize/augment.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>
#include <string>

#include "market/random.h"

namespace punctual::optimize {
namespace {

// Questions that are in memory at once: the model's inputs may be large.
constexpr std::size_t kAtOnce = 512;
constexpr double kMostForEach = 100;

// One added question: sample `of` with noise, or at `share` of the way to sample `next`.
struct Question {
  std::size_t of = 0;
  std::optional<std::size_t> next;
  float share = 0;
};

std::span<const float> FloatsOf(const Samples& samples, std::size_t i) {
  const auto bytes = samples.Of(0, i);
  return {reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)};
}

float Between(float a, float b, float share) { return a + share * (b - a); }

Result<void> CheckOptions(const AugmentOptions& options) {
  const auto is_share = [](double value, double most) { return value >= 0 && value <= most; };
  if (is_share(options.interpolated, kMostForEach) && is_share(options.noised, kMostForEach) &&
      is_share(options.noise, 10))
    return {};
  return Fail(Code::kInvalidArgument,
              "augment: interpolated and noised must be from 0 to 100, noise from 0 to 10 deviations");
}

class Augmenting {
 public:
  Augmenting(const Samples& samples, std::span<const std::size_t> fit, std::span<const StudentView> views,
             const AugmentOptions& options)
      : samples_(samples), fit_(fit), views_(views), options_(options), random_(options.seed) {
    for (const StudentView& view : views_) {
      TrainingSet set;
      set.x.width = view.width();
      added_.push_back(std::move(set));
    }
  }

  Result<std::vector<TrainingSet>> Run(const Labeller& labeller) {
    const std::vector<Question> questions = Choose();
    if (options_.noised > 0) MeasureDeviations();
    for (std::size_t begin = 0; begin < questions.size(); begin += kAtOnce) {
      const auto chunk = std::span(questions).subspan(begin, std::min(kAtOnce, questions.size() - begin));
      const Samples asked = Make(chunk);
      PUNCTUAL_ASSIGN(const Answers answers, labeller(asked));
      if (answers.count() != chunk.size())
        return Fail(Code::kInternal, "augment: the model gave " + std::to_string(answers.count()) + " answers to " +
                                         std::to_string(chunk.size()) + " questions");
      for (std::size_t view = 0; view < views_.size(); ++view) Take(view, chunk, asked, answers);
      if (options_.progress) options_.progress(begin + chunk.size(), questions.size());
    }
    return std::move(added_);
  }

 private:
  std::vector<Question> Choose() {
    std::map<std::uint32_t, std::size_t> last;  // of each symbol
    std::vector<std::optional<std::size_t>> next(fit_.size());
    for (std::size_t i = fit_.size(); i-- > 0;) {
      const std::uint32_t symbol = samples_.symbol[fit_[i]];
      if (const auto found = last.find(symbol); found != last.end()) next[i] = found->second;
      last[symbol] = fit_[i];
    }
    const double wanted = (options_.interpolated + options_.noised) * static_cast<double>(fit_.size());
    const double kept = wanted > static_cast<double>(options_.most) ? static_cast<double>(options_.most) / wanted : 1;
    std::vector<Question> questions;
    for (std::size_t i = 0; i < fit_.size(); ++i) {
      if (next[i])
        for (std::size_t count = Count(options_.interpolated * kept); count > 0; --count)
          questions.push_back({fit_[i], next[i], static_cast<float>(random_.Uniform())});
      for (std::size_t count = Count(options_.noised * kept); count > 0; --count)
        questions.push_back({fit_[i], std::nullopt, 0});
    }
    questions.resize(std::min(questions.size(), options_.most));
    return questions;
  }

  // `mean` on average.
  std::size_t Count(double mean) {
    const double whole = std::floor(mean);
    return static_cast<std::size_t>(whole) + (random_.Chance(mean - whole) ? 1 : 0);
  }

  void MeasureDeviations() {
    const std::size_t width = FloatsOf(samples_, fit_[0]).size();
    std::vector<double> sum(width), squares(width);
    for (const std::size_t i : fit_)
      for (std::size_t at = 0; at < width; ++at) sum[at] += static_cast<double>(FloatsOf(samples_, i)[at]);
    const double count = static_cast<double>(fit_.size());
    for (const std::size_t i : fit_)
      for (std::size_t at = 0; at < width; ++at) {
        const double apart = static_cast<double>(FloatsOf(samples_, i)[at]) - sum[at] / count;
        squares[at] += apart * apart;
      }
    for (const double square : squares) deviations_.push_back(static_cast<float>(std::sqrt(square / count)));
  }

  Samples Make(std::span<const Question> questions) {
    Samples asked;
    asked.inputs = samples_.inputs;
    asked.symbols = samples_.symbols;
    asked.values.resize(1);
    for (const Question& question : questions) {
      const std::span<const float> from = FloatsOf(samples_, question.of);
      std::vector<float> made(from.begin(), from.end());
      if (question.next) {
        const std::span<const float> to = FloatsOf(samples_, *question.next);
        for (std::size_t at = 0; at < made.size(); ++at) made[at] = Between(made[at], to[at], question.share);
      } else {
        for (std::size_t at = 0; at < made.size(); ++at)
          made[at] += static_cast<float>(options_.noise * random_.Normal()) * deviations_[at];
      }
      const auto bytes = std::as_bytes(std::span(made));
      asked.values[0].insert(asked.values[0].end(), bytes.begin(), bytes.end());
      asked.time_ns.push_back(samples_.time_ns[question.of]);
      asked.symbol.push_back(samples_.symbol[question.of]);
      if (!samples_.snapshot.empty()) asked.snapshot.push_back(samples_.snapshot[question.of]);
    }
    return asked;
  }

  void Take(std::size_t view, std::span<const Question> questions, const Samples& asked, const Answers& answers) {
    TrainingSet& set = added_[view];
    set.y.width = answers.width;
    const StudentView& seen = views_[view];
    for (std::size_t i = 0; i < questions.size(); ++i) {
      const Question& question = questions[i];
      if (!seen.of_model.empty()) {
        const std::span<const float> floats = FloatsOf(asked, i);
        for (const std::size_t element : seen.of_model) set.x.values.push_back(floats[element]);
      } else if (question.next) {
        for (std::size_t at = 0; at < seen.width(); ++at)
          set.x.values.push_back(Between(seen.rows[question.of][at], seen.rows[*question.next][at], question.share));
      } else {
        continue;
      }
      set.y.values.insert(set.y.values.end(), answers[i].begin(), answers[i].end());
    }
  }

  const Samples& samples_;
  const std::span<const std::size_t> fit_;
  const std::span<const StudentView> views_;
  const AugmentOptions& options_;
  Random random_;
  std::vector<float> deviations_;   // of each number of the model's input
  std::vector<TrainingSet> added_;  // of each view
};

}  // namespace

Result<std::vector<TrainingSet>> Augment(const Samples& samples, std::span<const std::size_t> fit,
                                         std::span<const StudentView> views, const Labeller& labeller,
                                         const AugmentOptions& options) {
  PUNCTUAL_TRY(CheckOptions(options));
  if (fit.empty()) return Fail(Code::kFailedPrecondition, "augment: there are no samples to begin with");
  return Augmenting(samples, fit, views, options).Run(labeller);
}

}  // namespace punctual::optimize
