#include "optimize/recheck.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <numeric>
#include <utility>

#include "engine/question.h"
#include "model/shadow_sample.h"
#include "model/student.h"
#include "optimize/gate.h"
#include "optimize/model_folder.h"
#include "request_log/read_log.h"

namespace punctual::optimize {

namespace {

constexpr std::size_t kLeastQuestions = 100;

struct Model {
  std::shared_ptr<const ServedModel> served;  // null: it was refused
  std::string file;                           // the digest of its file, in hex
};

// A version's files, to be served in `variant` by `backend`; empty: as its manifest says.
Result<Model> LoadVariant(const std::string& folder, const std::string& name, const std::string& version,
                          const std::string& variant, const std::string& backend) {
  ModelFiles files;
  files.name = name;
  files.version = version;
  files.manifest_path = folder + "/model.toml";
  PUNCTUAL_ASSIGN(const std::string manifest, ReadWholeFile(files.manifest_path));
  PUNCTUAL_ASSIGN(files.manifest, ParseManifest(manifest, files.manifest_path));
  if (!variant.empty()) files.manifest.variant = variant;
  if (!backend.empty()) files.manifest.backend = backend;
  files.manifest.shadow_share = 0;  // nothing is asked twice here
  files.onnx_path = folder + "/" + version + "/" + std::string(ModelFileName(files.manifest));
  PUNCTUAL_ASSIGN(files.onnx, ReadWholeFile(files.onnx_path));
  LoadOptions options;
  options.caller_sessions = 1;  // a student answers on a caller's thread
  options.longest_window = std::numeric_limits<std::size_t>::max();
  PUNCTUAL_ASSIGN(auto served, ServedModel::Load(files, options));
  return Model{std::move(served), HexText(DigestOf(files.onnx))};
}

bool IsThere(const std::string& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

// What was asked, without the answers.
struct Asked {
  std::int64_t unix_ns = 0;
  std::uint32_t symbol = 0;
  std::vector<float> answer;                    // the model's own
  std::vector<double> columns;                  // of its inputs
  std::vector<std::vector<float>> of_variants;  // empty: it has no answer
};

class Rechecking {
 public:
  Rechecking(const LiveModel& live, const RecheckOptions& options) : options_(options) { found_.model = live; }

  Result<Recheck> Run() {
    PUNCTUAL_TRY(LoadReference());
    LoadVariants();
    PUNCTUAL_TRY(AskAll());
    std::ranges::stable_sort(asked_, {}, &Asked::unix_ns);
    found_.questions = asked_.size();
    if (asked_.size() < kLeastQuestions)
      return Fail(Code::kFailedPrecondition,
                  found_.model.log_folder + ": has " + std::to_string(asked_.size()) + " questions that model " +
                      found_.model.name + " can be asked (of " + std::to_string(found_.logged) + "), and it takes " +
                      std::to_string(kLeastQuestions) +
                      "; wait for more, or raise request_log.share, or request_log.bytes if the log holds no more");
    found_.first_unix_ns = asked_.front().unix_ns;
    found_.last_unix_ns = asked_.back().unix_ns;
    ReadProfile();
    for (std::size_t i = 0; i < found_.variants.size(); ++i) PUNCTUAL_TRY(JudgeVariant(i));
    FindDrift();
    return std::move(found_);
  }

 private:
  Result<void> LoadReference() {
    const LiveModel& live = found_.model;
    auto loaded = LoadVariant(live.folder, live.name, live.version, "fp32", live.backend);
    // The one that serves int8 may be one that cannot run the float file.
    if (loaded.has_error()) loaded = LoadVariant(live.folder, live.name, live.version, "fp32", "");
    PUNCTUAL_ASSIGN(reference_, std::move(loaded));
    const TensorSpec& output = reference_.served->outputs().front();
    if (output.dtype != DType::kFloat32)
      return Fail(Code::kFailedPrecondition,
                  "model " + live.name + ": its first output, " + output.name + ", is not of floats");
    if (*ElementCount(output.shape) > kMostClasses)
      return Fail(Code::kFailedPrecondition, "model " + live.name + ": its first output, " + output.name + ", has " +
                                                 std::to_string(*ElementCount(output.shape)) + " numbers; at most " +
                                                 std::to_string(kMostClasses) + " are compared");
    found_.output = output.name;
    const Manifest& manifest = reference_.served->manifest();
    if (!manifest.outputs.empty()) found_.classes = manifest.outputs.front().classes;
    return {};
  }

  void LoadVariants() {
    const LiveModel& live = found_.model;
    if (live.variant != "fp32") Add(live.variant, true, live.folder, live.name, live.version, live.backend);
    if (live.variant != "int8" && IsThere(live.folder + "/" + live.version + "/int8.onnx"))
      Add("int8", false, live.folder, live.name, live.version, "");
    if (!live.student_error.empty()) {
      Refuse("student", live.student_error);
      return;
    }
    if (live.student.empty()) return;
    Add("student", true, live.student_folder, live.student, live.student_version, live.student_backend);
  }

  void Add(const std::string& variant, bool serves, const std::string& folder, const std::string& name,
           const std::string& version, const std::string& backend) {
    RecheckedVariant& added = found_.variants.emplace_back();
    added.variant = variant;
    added.serves = serves;
    // A student's own manifest says which of its files it is.
    auto loaded = LoadVariant(folder, name, version, variant == "student" ? "" : variant, backend);
    added.backend = loaded.has_value() ? loaded->served->backend() : backend;
    const Result<void> fits =
        loaded.has_value() ? CheckLikeReference(*loaded->served, variant == "student") : Result<void>(loaded.error());
    if (fits.has_error()) added.refusal = fits.error().message;
    models_.push_back(fits.has_value() ? std::move(loaded).value() : Model());
  }

  // Whether it can be asked in the model's place. A student of books has inputs of its own.
  Result<void> CheckLikeReference(const ServedModel& variant, bool is_student) const {
    const ServedModel& reference = *reference_.served;
    const bool of_books = is_student && reference.features() && variant.features();
    if (!of_books) PUNCTUAL_TRY(CheckSameInputs(reference, variant));
    return CheckSameOutputs(reference, variant);
  }

  // One that should serve, and does not.
  void Refuse(const std::string& variant, const std::string& why) {
    RecheckedVariant& refused = found_.variants.emplace_back();
    refused.variant = variant;
    refused.serves = true;
    refused.refusal = why;
    models_.emplace_back();
  }

  Result<void> AskAll() {
    PUNCTUAL_ASSIGN(LogReader counting, LogReader::Open(found_.model.log_folder));
    while (counting.Next()) ++found_.logged;
    found_.damaged_segments = counting.damaged();
    const std::size_t every = std::max<std::size_t>(1, (found_.logged + options_.most - 1) / options_.most);
    PUNCTUAL_ASSIGN(LogReader reader, LogReader::Open(found_.model.log_folder));
    // By chance, not by turns: who asks may take turns, too.
    ShadowSample drawn(1 / static_cast<double>(every), options_.seed);
    for (std::size_t i = 0; auto request = reader.Next(); ++i) {
      if (options_.progress && i % 64 == 0)
        options_.progress(found_.model.name, std::min(i, found_.logged), found_.logged);
      if (drawn.Draw()) Ask(std::move(*request));
    }
    return {};
  }

  void Ask(LoggedRequest request) {
    Question question;
    question.about = request.inputs != nullptr ? Question::About::kTensors : Question::About::kBooks;
    question.model = reference_.served;
    question.symbol = std::move(request.symbol);
    question.window = std::move(request.window);
    if (request.inputs != nullptr) question.inputs = *request.inputs;
    Asked asked;
    asked.unix_ns = request.asked_unix_ns;
    if (!Fits(question) || !TakeColumns(question, asked.columns)) return void(++found_.left_out);
    const auto answer = ComputeBy(*reference_.served, question);
    if (answer.has_error()) return void(++found_.left_out);
    asked.answer = NumbersOf(*answer);
    asked.symbol = symbols_.try_emplace(question.symbol, static_cast<std::uint32_t>(symbols_.size())).first->second;
    for (std::size_t i = 0; i < models_.size(); ++i) {
      std::vector<float>& numbers = asked.of_variants.emplace_back();
      const auto& by = models_[i].served;
      if (by == nullptr) continue;
      question.student = found_.variants[i].variant == "student" ? by : nullptr;
      const auto given = question.student != nullptr && CheckForStudent(question).has_error()
                             ? Result<Outputs>(Fail(Code::kFailedPrecondition, ""))
                             : ComputeBy(*by, question);
      if (given.has_value()) numbers = NumbersOf(*given);
      if (numbers.empty()) ++found_.variants[i].left_out;
    }
    asked_.push_back(std::move(asked));
  }

  // The log may be of a version that took other inputs.
  bool Fits(const Question& question) const {
    if (question.about == Question::About::kBooks) return reference_.served->features().has_value();
    const std::vector<TensorSpec>& specs = reference_.served->inputs();
    return std::ranges::equal(question.inputs, specs, [](const NamedTensor& input, const TensorSpec& spec) {
      return input.name == spec.name && input.tensor.dtype() == spec.dtype &&
             input.tensor.element_count() == *ElementCount(spec.shape);
    });
  }

  // False: the features cannot be computed, for want of books or levels.
  bool TakeColumns(const Question& question, std::vector<double>& columns) {
    const std::vector<TensorSpec>& specs = reference_.served->inputs();
    std::vector<std::span<const std::byte>> values;
    std::vector<float> features;
    if (question.about == Question::About::kBooks) {
      const FeaturePlan& plan = *reference_.served->features();
      features.resize(static_cast<std::size_t>(plan.window()) * plan.columns());
      if (plan.Compute(question.window, features).has_error()) return false;
      values.push_back(std::as_bytes(std::span(features)));
    } else {
      for (const NamedTensor& input : question.inputs) values.push_back(input.tensor.bytes());
    }
    AppendColumns(specs, values, columns);
    return true;
  }

  static std::vector<float> NumbersOf(const Outputs& outputs) {
    const OutputView first = *outputs.begin();
    std::vector<float> numbers(first.bytes.size() / sizeof(float));
    std::memcpy(numbers.data(), first.bytes.data(), first.bytes.size());
    return numbers;
  }

  void ReadProfile() {
    const std::string path = found_.model.folder + "/" + found_.model.version + "/profile.json";
    const auto text = ReadWholeFile(path);
    if (text.has_error()) return;
    auto profile = ParseProfile(*text);
    if (profile.has_error())
      found_.no_profile = path + ": " + profile.error().message;
    else if (profile->model != reference_.file || !IsOfTheseColumns(*profile))
      found_.no_profile = path + ": is of another model";
    else
      profile_ = std::move(profile).value();
  }

  std::vector<std::string> Columns() const {
    const Manifest& manifest = reference_.served->manifest();
    return ColumnNames(reference_.served->inputs(),
                       manifest.features ? manifest.features->columns : std::vector<std::string>());
  }
  bool IsOfTheseColumns(const Profile& profile) const {
    const std::size_t width = asked_.front().answer.size();
    return std::ranges::equal(profile.inputs, Columns(), {}, &Spread::name) &&
           (width == 1 ? !profile.answers.edges.empty() : profile.answers.shares.size() == width);
  }

  Result<void> JudgeVariant(std::size_t which) {
    RecheckedVariant& variant = found_.variants[which];
    if (!variant.refusal.empty()) {
      if (variant.serves) found_.passed = false;
      return {};
    }
    Answers reference{asked_.front().answer.size(), {}}, candidate = reference;
    Samples samples;
    samples.symbols.resize(symbols_.size());
    for (const auto& [symbol, index] : symbols_) samples.symbols[index] = symbol;
    for (const Asked& asked : asked_) {
      const std::vector<float>& given = asked.of_variants[which];
      if (given.empty()) continue;
      reference.values.insert(reference.values.end(), asked.answer.begin(), asked.answer.end());
      candidate.values.insert(candidate.values.end(), given.begin(), given.end());
      samples.snapshot.push_back(samples.time_ns.size());
      samples.time_ns.push_back(asked.unix_ns);
      samples.symbol.push_back(asked.symbol);
    }
    if (candidate.count() < kLeastQuestions) {
      variant.refusal = "has an answer to " + std::to_string(candidate.count()) + " of these questions, and it takes " +
                        std::to_string(kLeastQuestions);
      if (variant.serves) found_.passed = false;
      return {};
    }
    std::vector<std::size_t> indices(candidate.count());
    std::iota(indices.begin(), indices.end(), std::size_t{0});
    PUNCTUAL_ASSIGN(variant.fidelity, Compare(reference, candidate, samples, indices,
                                              {.bootstrap = {.seed = options_.seed}, .parts = false}));
    variant.now = DifferenceOf(*variant.fidelity);
    const Profile::Variant* const then = WhenMade(variant, models_[which].file);
    const bool student = variant.variant == "student";
    const std::optional<double>& asked = student ? options_.max_student_accuracy_drop : options_.max_accuracy_drop;
    const double limit = asked ? *asked : then ? then->limit : student ? kMaxStudentAccuracyDrop : kMaxAccuracyDrop;
    const GateDecision decision =
        Judge(*variant.fidelity, limit, student ? "--max-student-accuracy-drop" : "--max-accuracy-drop");
    using Verdict = RecheckedVariant::Verdict;
    variant.verdict = decision.passed ? Verdict::kPassed : decision.too_bad ? Verdict::kFailed : Verdict::kOpen;
    variant.gate = decision.text;
    if (variant.serves && decision.too_bad) found_.passed = false;
    if (then == nullptr) return {};
    variant.when_made = then->difference;
    variant.drifted = variant.now.low > then->difference.high;
    return {};
  }

  // Of the same backend, else of another. Null: this file was not judged then.
  const Profile::Variant* WhenMade(const RecheckedVariant& variant, const std::string& file) const {
    const Profile::Variant* found = nullptr;
    if (profile_)
      for (const Profile::Variant& then : profile_->variants)
        if (then.variant == variant.variant && then.file == file &&
            (found == nullptr || then.backend == variant.backend))
          found = &then;
    return found;
  }

  std::vector<double> ColumnOf(std::size_t column, std::size_t from, std::size_t to) const {
    std::vector<double> numbers;
    for (std::size_t i = from; i < to; ++i) numbers.push_back(asked_[i].columns[column]);
    return numbers;
  }
  Answers AnswersOf(std::size_t from, std::size_t to) const {
    Answers answers{asked_.front().answer.size(), {}};
    for (std::size_t i = from; i < to; ++i)
      answers.values.insert(answers.values.end(), asked_[i].answer.begin(), asked_[i].answer.end());
    return answers;
  }

  void FindDrift() {
    const std::vector<std::string> names = Columns();
    const std::size_t width = asked_.front().answer.size();
    const bool usable = profile_.has_value();
    found_.since = usable ? "the profile" : "the older half";
    const std::size_t all = asked_.size(), half = usable ? 0 : all / 2;
    const double each = 1 / static_cast<double>(all - half) +
                        1 / static_cast<double>(std::max<std::size_t>(1, usable ? profile_->samples : half));
    const auto chance = [each](const Spread& then) { return static_cast<double>(then.shares.size() - 1) * each; };
    for (std::size_t column = 0; column < names.size(); ++column) {
      const Spread then = usable ? profile_->inputs[column] : SpreadOf(names[column], ColumnOf(column, 0, half));
      found_.inputs.push_back({names[column], StabilityIndex(then, ColumnOf(column, half, all)), chance(then)});
    }
    std::ranges::stable_sort(found_.inputs, std::ranges::greater(), &Moved::index);
    const Answers now = AnswersOf(half, all);
    if (width == 1) {
      const Spread then = usable ? profile_->answers : SpreadOfNumbers(AnswersOf(0, half));
      found_.answers = {found_.output, StabilityIndex(then, std::vector<double>(now.values.begin(), now.values.end())),
                        chance(then)};
      return;
    }
    const Spread then = usable ? profile_->answers : SpreadOfClasses(AnswersOf(0, half));
    found_.answers = {found_.output, StabilityIndexOfClasses(then, now), chance(then)};
    found_.class_shares_then = then.shares;
    found_.class_shares_now = SpreadOfClasses(now).shares;
  }
  Spread SpreadOfNumbers(const Answers& answers) const {
    return SpreadOf(found_.output, std::vector<double>(answers.values.begin(), answers.values.end()));
  }

  const RecheckOptions& options_;
  Recheck found_;
  Model reference_;
  std::vector<Model> models_;  // of found_.variants
  std::map<std::string, std::uint32_t> symbols_;
  std::vector<Asked> asked_;
  std::optional<Profile> profile_;
};

}  // namespace

std::string_view VerdictName(RecheckedVariant::Verdict verdict) {
  constexpr std::string_view kNames[] = {"passed", "open", "failed"};
  return kNames[static_cast<std::size_t>(verdict)];
}

Result<Recheck> RecheckModel(const LiveModel& model, const RecheckOptions& options) {
  return Rechecking(model, options).Run();
}

}  // namespace punctual::optimize
