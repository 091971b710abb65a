#include "engine/background_run.h"
#include "engine/request.h"

// What becomes of a question behind everyone who waits: it is asked again, or kept, to see what answers are worth.
namespace punctual {

namespace {

class ShadowRun final : public BackgroundRun {
 public:
  using Then = std::function<void(const Result<Outputs>&)>;
  // `sample`: began it, and lives as long as the question.
  ShadowRun(std::shared_ptr<const Question> question, std::shared_ptr<const ServedModel> by, ShadowSample& sample,
            Then then)
      : question_(std::move(question)), by_(std::move(by)), sample_(sample), then_(std::move(then)) {}
  ~ShadowRun() override { sample_.End(); }

 private:
  void Compute() override {
    const TimePoint begin = std::chrono::steady_clock::now();
    // One that hangs may take another worker with each run.
    if (by_->health().open() && !MayTry(begin)) return;
    const Result<Outputs> outputs = ComputeBy(*by_, *question_);
    if (IsReference() && outputs.has_value()) by_->health().OnSuccess(begin, std::chrono::steady_clock::now());
    then_(outputs);
  }
  // Nobody else asks the float model, and would find out that it is well again.
  bool IsReference() const { return by_ == question_->model->reference(); }
  bool MayTry(TimePoint now) const { return IsReference() && by_->health().MayProbe(now); }
  const ServedModel& model() const override { return *by_; }

  const std::shared_ptr<const Question> question_;
  const std::shared_ptr<const ServedModel> by_;
  ShadowSample& sample_;
  const Then then_;
};

// `served`: what the model itself said; `others`: its student, or its float model.
void RecordBoth(ShadowComparison& comparison, StandIn stand_in, const Outputs& served, const Result<Outputs>& others) {
  if (others.has_error()) {
    const bool was_busy = others.error().code == Code::kResourceExhausted;
    if (was_busy) comparison.CountDropped(stand_in);
  } else if (stand_in == StandIn::kStudent) {
    comparison.Record(stand_in, served, *others);
  } else {
    // The variant itself stands in, for its float model.
    comparison.Record(stand_in, *others, served);
  }
}

}  // namespace

bool Request::AskAgain(ShadowSample& sample, std::shared_ptr<const ServedModel> by,
                       std::function<void(const Result<Outputs>&)> then) {
  if (!services_.brown_out.Allows(BrownOutLevel::kNoAudits) || !sample.Begin()) return false;
  Job job;
  job.expected = by->cost().typical();
  job.likely_max = by->cost().high();
  // Nobody waits for it; a queue that is full has better things to do.
  job.keep_if_late = true;
  // The request lives on for it: tensors may be large, and are not copied.
  const std::shared_ptr<const Question> question(shared_from_this(), &question_);
  job.task = std::make_shared<ShadowRun>(question, std::move(by), sample, std::move(then));
  return services_.pool.Submit(std::move(job), services_.clock.Now()) == Admission::kQueued;
}

void Request::Audit(const Outputs& given) {
  const auto compare = [&services = services_, model = question_.model, given](const Result<Outputs>& computed) {
    if (computed.has_error()) return;
    ShadowAudit& audit = *model->audit();
    if (audit.Record(given, *computed) && services.on_notice)
      services.on_notice("model " + model->identity()->model + ": approximate answers are off: " + audit.Summary());
  };
  AskAgain(question_.model->audit()->sample(), question_.model, compare);
}

void Request::CompareStandIns(const Outputs& models) {
  if (question_.student != nullptr && CheckForStudent(question_).has_value())
    CompareWith(StandIn::kStudent, question_.student, models);
  if (const auto& reference = question_.model->reference(); reference != nullptr)
    CompareWith(*StandInOf(question_.model->manifest().variant), reference, models);
}

void Request::CompareWith(StandIn stand_in, const std::shared_ptr<const ServedModel>& by, const Outputs& models) {
  ShadowComparison& comparison = *question_.model->comparison();
  const auto compare = [model = question_.model, stand_in, models](const Result<Outputs>& others) {
    RecordBoth(*model->comparison(), stand_in, models, others);
  };
  if (!AskAgain(comparison.sample(), by, compare)) comparison.CountDropped(stand_in);
}

void Request::Log() {
  RequestLog* const log = services_.request_log;
  if (log == nullptr || !question_.key || !log->Draw()) return;
  if (!services_.brown_out.Allows(BrownOutLevel::kNoAudits)) return log->CountDropped();
  LoggedRequest request{UnixTimeNs(), question_.symbol, question_.window, nullptr};
  std::size_t books = 0;
  if (question_.about == Question::About::kTensors) {
    // The request lives on for it: tensors may be large, and are not copied.
    request.inputs = std::shared_ptr<const std::vector<NamedTensor>>(shared_from_this(), &question_.inputs);
  } else {
    books = question_.model->features()->history();
    if (question_.student != nullptr && question_.student->features())
      books = std::max(books, question_.student->features()->history());
  }
  log->Add(question_.model->identity()->model, std::move(request), books);
}

}  // namespace punctual
