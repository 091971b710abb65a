#include "optimize/optimize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <numeric>
#include <optional>
#include <utility>

#include "base/config_file.h"
#include "model/versions.h"
#include "optimize/decide.h"
#include "optimize/judge_variants.h"
#include "optimize/load_made.h"
#include "optimize/onnx_file.h"
#include "optimize/quantize.h"
#include "optimize/run_model.h"
#include "optimize/split.h"
#include "optimize/subject.h"
#include "optimize/take_int8.h"
#include "optimize/work_folder.h"
#include "optimize/write_folder.h"

namespace punctual::optimize {

namespace fs = std::filesystem;

namespace {

// Of the samples that are judged; fewer say nothing.
constexpr std::size_t kLeastLabelled = 30;
// ServedModel::kQuick, in microseconds.
constexpr double kMostStudentUs = 1000;

Result<void> CheckOptions(const OptimizeOptions& options) {
  if (options.tiers.empty()) return Fail(Code::kInvalidArgument, "--budget-ms: there must be one at least, such as 15");
  for (const Tier& tier : options.tiers)
    if (!(tier.budget_ms > 0) || !std::isfinite(tier.budget_ms))
      return Fail(Code::kInvalidArgument, "--budget-ms: " + NumberText(tier.budget_ms) +
                                              ": must be a number of milliseconds above 0, such as 15");
  PUNCTUAL_TRY(CheckLimit("--max-accuracy-drop", options.max_accuracy_drop));
  PUNCTUAL_TRY(CheckLimit("--max-student-accuracy-drop", options.max_student_accuracy_drop));
  if (!(options.student_budget_us >= 0) || options.student_budget_us > kMostStudentUs)
    return Fail(Code::kInvalidArgument,
                "--student-budget-us: must be from 0 (no student) to 1000, what a server allows");
  return {};
}

// Nothing is written into the model's folder. `out`: as OutOf gives it.
Result<void> CheckOut(const std::string& out, const std::string& model) {
  std::error_code error;
  const fs::path inner(out), outer = fs::canonical(model, error);
  if (error) return {};  // there is no such model: OpenSubject says so
  const auto [end, ignored] = std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end());
  if (end == outer.end())
    return Fail(Code::kInvalidArgument, "--out: " + out + ": lies in the model's own folder, which is left as it is");
  return {};
}

// A folder beside models with a folder in it that is called as a version is would be one of them.
Result<void> CheckOutIsNoModel(const std::string& out, const ModelFolder& model) {
  if (!VersionOf(model.name)) return {};
  if (fs::path(out).parent_path() != fs::path(OutOf({.model = model.path})).parent_path()) return {};
  return Fail(Code::kInvalidArgument, "--out: " + out + ": a server would take it for a model and " + model.name +
                                          ", in it, for its version; give an --out outside of the model's repository");
}

std::string BytesOf(const Answers& answers) {
  const std::uint64_t width = answers.width;
  std::string bytes(sizeof width + answers.values.size() * sizeof(float), '\0');
  std::memcpy(bytes.data(), &width, sizeof width);
  std::memcpy(bytes.data() + sizeof width, answers.values.data(), answers.values.size() * sizeof(float));
  return bytes;
}

// None: they are not the answers to so many samples.
std::optional<Answers> AnswersOf(const std::string& bytes, std::size_t count) {
  std::uint64_t width = 0;
  if (bytes.size() < sizeof width) return std::nullopt;
  std::memcpy(&width, bytes.data(), sizeof width);
  Answers answers{.width = static_cast<std::size_t>(width)};
  answers.values.resize((bytes.size() - sizeof width) / sizeof(float));
  std::memcpy(answers.values.data(), bytes.data() + sizeof width, answers.values.size() * sizeof(float));
  if (width == 0 || answers.values.size() % width != 0 || answers.count() != count) return std::nullopt;
  return answers;
}

class Pipeline {
 public:
  explicit Pipeline(const OptimizeOptions& options) : options_(options) {}

  Result<Optimization> Run() {
    PUNCTUAL_TRY(Read());
    PUNCTUAL_ASSIGN(WorkFolder work, WorkFolder::Open(found_.out, found_.run));
    if (work.left() == WorkFolder::Left::kThisRuns) Say("what an earlier run had finished is taken over", 0, 0);
    if (work.left() == WorkFolder::Left::kAnothers) Say("what a run of something else had finished is dropped", 0, 0);
    const Result<void> made = Make(work);
    if (made.has_value()) return std::move(found_);
    // What the next run would meet again is not worth going on from; else what was finished is.
    const Code code = made.error().code;
    if (code != Code::kResourceExhausted && code != Code::kInternal) work.Remove();
    return made.error();
  }

 private:
  void Say(const std::string& stage, std::size_t done, std::size_t of) const {
    if (options_.progress) options_.progress(stage, done, of);
  }
  auto Sayer(const std::string& stage) const {
    return [this, stage](std::size_t done, std::size_t of) { Say(stage, done, of); };
  }
  auto Forward() const {
    return [this](const std::string& what, std::size_t done, std::size_t of) { Say(what, done, of); };
  }

  // All that comes from outside, before anything is written.
  Result<void> Read() {
    PUNCTUAL_TRY(CheckOptions(options_));
    found_.out = OutOf(options_);
    PUNCTUAL_TRY(CheckOut(found_.out, options_.model));
    Say("model", 0, 0);
    PUNCTUAL_ASSIGN(subject_, OpenSubject(options_.model));
    PUNCTUAL_TRY(CheckOutIsNoModel(found_.out, subject_->folder));
    PUNCTUAL_TRY(CheckFile());
    PUNCTUAL_ASSIGN(samples_, ReadData(*subject_, options_.data, Sayer("books")));
    // Where tensors are of a model that also takes books, their neighbours share as much.
    found_.gap = subject_->plan ? subject_->plan->history() : 1;
    PUNCTUAL_ASSIGN(parts_, SplitByTime(samples_, {.gap = found_.gap}));
    PUNCTUAL_TRY(CheckOutput());
    PUNCTUAL_ASSIGN(files_, DigestOfFiles(options_.data));
    Describe();
    return CheckUnmade();
  }

  // What can be seen of the file itself, before the model answers for minutes. That no layer may have codes is no
  // error.
  Result<void> CheckFile() const {
    const ModelFolder& folder = subject_->folder;
    const auto of_file = [&](const Error& error) { return Fail(error.code, folder.onnx_path + ": " + error.message); };
    if (const auto parsed = ParseForQuantizing(folder.onnx); parsed.has_error()) return of_file(parsed.error());
    const auto layers = ListLayers(folder.onnx);
    if (layers.has_error() && layers.error().code == Code::kInvalidArgument) return of_file(layers.error());
    return {};
  }

  Result<void> CheckOutput() {
    PUNCTUAL_ASSIGN(const std::size_t width, ElementCount(subject_->output().shape));
    if (width > kMostClasses)
      return Fail(Code::kFailedPrecondition,
                  "output: \"" + subject_->output().name + "\" has " + std::to_string(width) + " numbers; at most " +
                      std::to_string(kMostClasses) + " are compared; name another one first");
    if (!samples_.has_labels()) return {};
    std::vector<std::size_t> all(samples_.count());
    std::iota(all.begin(), all.end(), std::size_t{0});
    PUNCTUAL_TRY(CheckLabels(samples_, all, width));
    std::vector<bool> has_label(samples_.symbols.size());
    for (const std::size_t i : parts_.held_out) {
      if (samples_.labels[i] == Samples::kNoLabel) continue;
      ++found_.labelled;
      has_label[samples_.symbol[i]] = true;
    }
    for (std::size_t i = 0; i < has_label.size(); ++i)
      if (!has_label[i]) found_.unlabelled_symbols.push_back(samples_.symbols[i]);
    if (found_.labelled >= kLeastLabelled) return {};
    return Fail(Code::kInvalidArgument, options_.data.labels + ": has a label of " + std::to_string(found_.labelled) +
                                            " of the " + std::to_string(parts_.held_out.size()) +
                                            " samples that are judged, the last quarter of the data; " +
                                            std::to_string(kLeastLabelled) + " are needed: label that part too");
  }

  void Describe() {
    const ModelFolder& folder = subject_->folder;
    found_.model_folder = folder.path;
    found_.model = folder.name;
    found_.version = folder.version;
    found_.data_files = options_.data.files;
    found_.labels_file = options_.data.labels;
    found_.tiers = options_.tiers;
    std::stable_sort(found_.tiers.begin(), found_.tiers.end(),
                     [](const Tier& a, const Tier& b) { return a.budget_ms < b.budget_ms; });
    found_.max_accuracy_drop = options_.max_accuracy_drop;
    found_.student_budget_us = options_.student_budget_us;
    found_.max_student_accuracy_drop = options_.max_student_accuracy_drop;
    found_.seed = options_.seed;
    found_.output = subject_->output().name;
    found_.classes = subject_->classes;
    found_.reference_backend = subject_->reference_backend;
    found_.symbols = samples_.symbols;
    found_.samples = samples_.count();
    found_.fit = parts_.fit.size();
    found_.search = parts_.search.size();
    found_.held_out = parts_.held_out.size();
    found_.data = DigestOfSamples(samples_);
    found_.files.push_back({folder.manifest.variant, folder.onnx.size(), DigestOf(folder.onnx)});
    std::string facts = std::string(PUNCTUAL_VERSION) + "|" + folder.name + "|" + HexText(files_) + "|" +
                        HexText(DigestOf(folder.manifest_text)) + "|" + HexText(DigestOf(folder.onnx)) + "|" +
                        HexText(DigestOf(folder.signals.value_or(""))) + "|" + HexText(found_.data) + "|" +
                        std::to_string(options_.seed) + "|" + NumberText(options_.max_accuracy_drop) + "|" +
                        NumberText(options_.student_budget_us) + "|" + NumberText(options_.max_student_accuracy_drop);
    for (const Tier& tier : found_.tiers) {
      facts += "|" + HexText(DigestOf(tier.name)) + " " + NumberText(tier.budget_ms);
      if (tier.weight) facts += " by default " + NumberText(*tier.weight);
      for (const std::string& model : tier.asks) facts += " asks " + HexText(DigestOf(model));
    }
    found_.run = DigestOf(facts);
  }

  // A folder that this very run made says so.
  Result<void> CheckUnmade() const {
    const auto report = ReadWholeFile(found_.out + "/report.json");
    if (report.has_value() && report->find(HexText(found_.run)) != std::string::npos)
      return Fail(Code::kAlreadyExists, found_.out +
                                            ": was made of the same model, data and options already; see its "
                                            "report.html, or remove it to make it again");
    return {};
  }

  // The stages, one after the other.
  Result<void> Make(WorkFolder& work) {
    PUNCTUAL_TRY(AskTheModel(work));
    PUNCTUAL_TRY(MakeInt8(work));
    PUNCTUAL_TRY(MakeStudent(work));
    PUNCTUAL_TRY(JudgeAll());
    CheckStudentServes();
    const std::vector<MadeModel> models = Decide(*subject_, found_);
    AddNotes(*subject_, answers_[2], found_);
    Say("the folder", 0, 0);
    return WriteFolder({*subject_, samples_, parts_, answers_, models, found_, Sayer("signals")}, work);
  }

  Result<void> AskTheModel(WorkFolder& work) {
    const std::array<std::pair<const char*, const std::vector<std::size_t>*>, 3> parts = {
        {{"fit", &parts_.fit}, {"search", &parts_.search}, {"held-out", &parts_.held_out}}};
    for (std::size_t part = 0; part < parts.size(); ++part) {
      const auto& [name, indices] = parts[part];
      const std::string stage = std::string("answers-") + name;
      if (const auto kept = work.Kept(stage))
        if (auto answers = AnswersOf(*kept, indices->size())) {
          answers_[part] = std::move(*answers);
          continue;
        }
      PUNCTUAL_ASSIGN(answers_[part], RunModel(*subject_->reference, samples_, *indices,
                                               {.output = found_.output,
                                                .progress = Sayer(std::string("the model's answers, ") + name)}));
      PUNCTUAL_TRY(work.Keep(stage, BytesOf(answers_[part])));
    }
    return {};
  }

  Gate LossGate() const { return {options_.max_accuracy_drop, "--max-accuracy-drop"}; }

  // The gate judges an interval's end, and on other samples: the first asks for much more than it does. With labels
  // only right answers count, which are a part of those that become another class.
  std::vector<double> Levels() const {
    const double allowed = options_.max_accuracy_drop;
    std::vector<double> levels = {1 - allowed / 4, 1 - allowed / 2, 1 - allowed};
    if (samples_.has_labels()) levels.insert(levels.end(), {1 - 1.5 * allowed, 1 - 2 * allowed});
    return levels;
  }

  // What judges the int8 files, and then all that was made.
  JudgeRequest Judging() const {
    return {.subject = *subject_,
            .samples = samples_,
            .held_out = parts_.held_out,
            .reference = answers_[2],
            .seed = options_.seed,
            .progress = Forward()};
  }

  Result<void> MakeInt8(WorkFolder& work) {
    const Int8SearchRequest request{.subject = *subject_,
                                    .samples = samples_,
                                    .parts = parts_,
                                    .of_search = answers_[1],
                                    .levels = Levels(),
                                    .progress = Forward()};
    PUNCTUAL_ASSIGN(found_.int8, FindInt8(request, work));
    if (!found_.int8.failure.empty()) return {};
    PUNCTUAL_TRY(TakeInt8(Judging(), LossGate(), found_.int8));
    const std::string& onnx = found_.int8.file().onnx;
    found_.files.push_back({"int8", onnx.size(), DigestOf(onnx)});
    return {};
  }

  Result<void> MakeStudent(WorkFolder& work) {
    if (options_.student_budget_us == 0) {
      found_.student.failure = "none was asked for";
      return {};
    }
    const StudentSearchRequest request{.subject = *subject_,
                                       .samples = samples_,
                                       .data = options_.data,
                                       .parts = parts_,
                                       .of_fit = answers_[0],
                                       .of_search = answers_[1],
                                       .budget_us = options_.student_budget_us,
                                       .seed = options_.seed,
                                       .progress = Forward()};
    PUNCTUAL_ASSIGN(found_.student, FindStudent(request, work));
    if (found_.student.failure.empty())
      found_.files.push_back({"student", found_.student.onnx.size(), DigestOf(found_.student.onnx)});
    return {};
  }

  Result<void> JudgeAll() {
    const Manifest& manifest = subject_->folder.manifest;
    std::vector<Candidate> candidates = {
        {manifest.variant, subject_->folder.onnx, manifest.variant, subject_->backends, std::nullopt}};
    if (manifest.variant == "fp32")
      candidates.push_back({"bf16", subject_->folder.onnx, "bf16", subject_->backends, LossGate()});
    if (found_.int8.failure.empty())
      candidates.push_back(Int8Candidate(*subject_, LossGate(), found_.int8.file().onnx));
    if (found_.student.failure.empty())
      candidates.push_back({"student", found_.student.onnx, "fp32", AutoBackends(),
                            Gate{options_.max_student_accuracy_drop, "--max-student-accuracy-drop"},
                            &found_.student.questions});
    found_.machine = ThisMachine();  // before the timing, which keeps all cores busy itself
    PUNCTUAL_ASSIGN(found_.runs, JudgeVariants(Judging(), candidates));
    return {};
  }

  // A student that a server would not let stand in has not passed, whatever it answers.
  void CheckStudentServes() {
    if (!found_.student.failure.empty()) return;
    const std::string refusal = RefusalOfStudent(*subject_, found_);
    for (VariantRun& run : found_.runs) {
      if (run.variant != "student" || refusal.empty()) continue;
      run.passed = false;
      run.gate = "a server would not let it stand in: it " + refusal;
    }
  }

  const OptimizeOptions& options_;
  std::optional<Subject> subject_;
  Samples samples_;
  Parts parts_;
  std::array<Answers, 3> answers_;  // the model's, to fit, search and held_out
  Digest files_;                    // of the data, as the files have it
  Optimization found_;
};

}  // namespace

std::string OutOf(const OptimizeOptions& options) {
  std::error_code error;
  const auto resolved = [&](const fs::path& path) {
    const fs::path whole = fs::canonical(path, error);
    return error ? fs::absolute(path, error) : whole;
  };
  if (options.out.empty()) {
    // Beside the model's own folder, and called as it is called there.
    fs::path model(options.model);
    if (!model.has_filename()) model = model.parent_path();
    const std::string last = model.filename().string();
    if (last.empty() || last == "." || last == "..") model = resolved(options.model);
    return (resolved(model.has_parent_path() ? model.parent_path() : fs::path(".")) /
            (model.filename().string() + "-optimized"))
        .string();
  }
  fs::path out(options.out);
  while (!out.has_filename() && out.has_parent_path() && out != out.root_path()) out = out.parent_path();
  return (resolved(out.has_parent_path() ? out.parent_path() : fs::path(".")) / out.filename()).string();
}

Result<Optimization> Optimize(const OptimizeOptions& options) { return Pipeline(options).Run(); }

}  // namespace punctual::optimize
