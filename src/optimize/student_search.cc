#include "optimize/student_search.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cstring>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "optimize/distill.h"
#include "optimize/fidelity.h"
#include "optimize/json_text.h"
#include "optimize/read_books.h"
#include "optimize/run_model.h"
#include "optimize/student_manifest.h"

namespace punctual::optimize {

namespace json = boost::json;

namespace {

// Wider views make training take as long as they are wide, and students slow.
constexpr std::size_t kWidestView = 1000, kWidestForTrees = 128;
constexpr std::size_t kMostNumbersForTrees = 32;  // of an answer: each round is as many trees
constexpr int kRecentRows = 20, kRecentBooks = 5;
// Columns of all recorded books, not only of every so many, so that each sample finds its own.
constexpr std::size_t kMostBooks = 4'000'000, kMostBytesOfBooks = std::size_t{2} << 30;

constexpr const char *kKeptJson = "student.json", *kKeptOnnx = "student.onnx", *kKeptManifest = "student.toml",
                     *kKeptQuestions = "student-questions";

std::string TextOf(const StudentSearch& found) {
  json::object text{{"failure", found.failure},
                    {"description", found.description},
                    {"typical_us", found.time.typical_us},
                    {"p99_us", found.time.p99_us},
                    {"model_typical_us", found.of_model.typical_us},
                    {"model_p99_us", found.of_model.p99_us},
                    {"trials", JsonOf(found.trials)}};
  if (found.failure.empty()) {
    const TensorSpec& input = found.questions.inputs.front();
    text["input"] = input.name;
    text["shape"] = json::array(input.shape.begin(), input.shape.end());
  }
  return JsonText(text);
}

// What JsonOf writes.
StudentTrial TrialOf(const json::value& kept) {
  StudentTrial trial{.description = std::string(kept.at("student").as_string()),
                     .took_us = kept.at("took_us").to_number<double>(),
                     .fits = kept.at("fits").as_bool()};
  if (trial.fits) trial.fidelity = kept.at("fidelity").to_number<double>();
  return trial;
}

StudentSearch FoundOf(const json::object& kept) {
  StudentSearch found;
  found.failure = std::string(kept.at("failure").as_string());
  found.description = std::string(kept.at("description").as_string());
  found.time = {kept.at("typical_us").to_number<double>(), kept.at("p99_us").to_number<double>()};
  found.of_model = {kept.at("model_typical_us").to_number<double>(), kept.at("model_p99_us").to_number<double>()};
  for (const json::value& trial : kept.at("trials").as_array()) found.trials.push_back(TrialOf(trial));
  if (!found.failure.empty()) return found;
  TensorSpec input{std::string(kept.at("input").as_string()), DType::kFloat32, {}};
  for (const json::value& dimension : kept.at("shape").as_array())
    input.shape.push_back(dimension.to_number<std::int64_t>());
  found.questions.inputs = {std::move(input)};
  return found;
}

// Questions in the order of `count` samples, of which a student needs no more than their inputs.
Samples Questions(const TensorSpec& input, std::vector<std::byte> bytes, std::size_t count) {
  Samples questions;
  questions.inputs = {input};
  questions.values = {std::move(bytes)};
  questions.time_ns.resize(count);
  std::iota(questions.time_ns.begin(), questions.time_ns.end(), std::int64_t{0});
  questions.symbols = {""};
  questions.symbol.resize(count);
  return questions;
}

// The student's input for each of `indices`. What its file leaves out is 0.
Samples QuestionsOf(const StudentView& view, const std::vector<std::size_t>& indices) {
  const std::size_t elements = ElementCount(view.input.shape).value();
  std::vector<float> values(indices.size() * elements);
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const std::span<const float> row = view.rows[indices[i]];
    for (std::size_t at = 0; at < row.size(); ++at)
      values[i * elements + (view.seen.empty() ? at : view.seen[at])] = row[at];
  }
  std::vector<std::byte> bytes(values.size() * sizeof(float));
  std::memcpy(bytes.data(), values.data(), bytes.size());
  return Questions(view.input, std::move(bytes), indices.size());
}

// What an earlier run kept; none: it did not, or what is there cannot be used.
std::optional<StudentSearch> ReadKept(const WorkFolder& work, std::size_t held_out) {
  const auto text = work.Kept(kKeptJson);
  if (!text) return std::nullopt;
  try {  // whatever is on the disk
    StudentSearch found = FoundOf(json::parse(*text).as_object());
    if (!found.failure.empty()) return found;
    auto onnx = work.Kept(kKeptOnnx), manifest = work.Kept(kKeptManifest), questions = work.Kept(kKeptQuestions);
    const TensorSpec input = found.questions.inputs.front();
    const Result<std::size_t> elements = ElementCount(input.shape);
    if (!onnx || !manifest || !questions || elements.has_error() ||
        questions->size() != held_out * *elements * sizeof(float))
      return std::nullopt;
    found.onnx = std::move(*onnx);
    found.manifest = std::move(*manifest);
    const auto bytes = std::as_bytes(std::span(*questions));
    found.questions = Questions(input, {bytes.begin(), bytes.end()}, held_out);
    return found;
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

Result<void> Keep(const StudentSearch& found, WorkFolder& work) {
  if (found.failure.empty()) {
    const std::vector<std::byte>& bytes = found.questions.values.front();
    PUNCTUAL_TRY(work.Keep(kKeptOnnx, found.onnx));
    PUNCTUAL_TRY(work.Keep(kKeptManifest, found.manifest));
    PUNCTUAL_TRY(work.Keep(kKeptQuestions, {reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
  }
  return work.Keep(kKeptJson, TextOf(found));  // last: where it is, all is
}

class Search {
 public:
  explicit Search(const StudentSearchRequest& request) : request_(request) {}

  Result<StudentSearch> Run() {
    if (request_.subject.outputs.size() != 1)
      return Fail(Code::kFailedPrecondition, "student: its model has " +
                                                 std::to_string(request_.subject.outputs.size()) +
                                                 " outputs; students are made of models that have one");
    PUNCTUAL_TRY(MakeViews());
    const DistillRequest distill{.samples = request_.samples,
                                 .parts = request_.parts,
                                 .of_fit = request_.of_fit,
                                 .of_search = request_.of_search,
                                 .views = std::move(views_),
                                 .output = request_.subject.output(),
                                 .labeller =
                                     [this](const Samples& samples) {
                                       std::vector<std::size_t> all(samples.count());
                                       std::iota(all.begin(), all.end(), std::size_t{0});
                                       return RunModel(*request_.subject.reference, samples, all,
                                                       {.output = request_.subject.output().name});
                                     },
                                 .judge = Fidelity,
                                 .timer = [](const std::string& onnx, const StudentView& view) -> Result<double> {
                                   PUNCTUAL_ASSIGN(const StudentTime time, TimeStudent(onnx, view.features));
                                   return time.typical_us;
                                 }};
    PUNCTUAL_ASSIGN(const Distilled distilled, Distill(distill, Options()));
    return Describe(distilled, distill.views);
  }

 private:
  void Say(const std::string& what, std::size_t done, std::size_t of) const {
    if (request_.progress) request_.progress(what, done, of);
  }

  Result<void> MakeViews() {
    const Manifest& manifest = request_.subject.folder.manifest;
    if (!manifest.features) {
      PUNCTUAL_ASSIGN(StudentView view, ViewTensor(request_.samples));
      views_.push_back(std::move(view));
      return {};
    }
    const FeatureSpec& features = *manifest.features;
    for (const int rows : std::set{1, kRecentRows, features.window}) {
      const auto width = static_cast<std::size_t>(rows) * features.columns.size();
      if (rows > features.window || width > kWidestView) continue;
      PUNCTUAL_ASSIGN(StudentView view, ViewNewestRows(request_.samples, features, rows));
      views_.push_back(std::move(view));
    }
    if (features.window > kRecentRows) {
      PUNCTUAL_ASSIGN(StudentView view, ViewSpacedRows(request_.samples, features));
      views_.push_back(std::move(view));
    }
    if (AreTensors(request_.data)) return {};
    for (const int window : {1, kRecentBooks}) PUNCTUAL_TRY(AddViewOfBooks(features, window));
    return {};
  }

  // Read once in their own units, to learn how they are spread, and once more as the student will have them.
  Result<void> AddViewOfBooks(const FeatureSpec& model, int window) {
    FeatureSpec spec = ProposeFeatures(model, request_.subject.plan->history(), window);
    for (const bool is_standardised : {false, true}) {
      PUNCTUAL_ASSIGN(const FeaturePlan plan, FeaturePlan::Make(spec));
      const auto columns = static_cast<std::int64_t>(spec.columns.size());
      const TensorSpec input{"book", DType::kFloat32,
                             spec.window == 1 ? Shape{1, columns} : Shape{1, spec.window, columns}};
      // Where columns cannot be had of these books (so many that not all were read, numbers too large, ones that never
      // change), the other views must do.
      const auto of_features =
          ReadBooks(request_.data.files, plan, input,
                    {.most = kMostBooks, .most_bytes = kMostBytesOfBooks, .progress = Sayer("books")});
      if (of_features.has_error()) return {};
      auto view = ViewBooks(request_.samples, *of_features, spec);
      if (view.has_error()) return {};
      if (is_standardised) {
        views_.push_back(std::move(view).value());
        return {};
      }
      auto standardised = Standardised(*view, request_.parts.fit);
      if (standardised.has_error()) return {};
      spec = std::move(standardised).value();
    }
    return {};
  }

  std::function<void(std::size_t, std::size_t)> Sayer(const std::string& what) const {
    return [this, what](std::size_t done, std::size_t of) { Say(what, done, of); };
  }

  DistillOptions Options() const {
    DistillOptions options;
    options.budget_us = request_.budget_us;
    options.depths = {4, 6};
    options.hidden = {{32}, {32, 16}, {64, 32}};
    options.widest_for_trees = kWidestForTrees;
    options.trees = request_.of_fit.width <= kMostNumbersForTrees;
    options.seed = request_.seed;
    options.augment.interpolated = options.augment.noised = 0.5;
    options.augment.progress = Sayer("the model's answers, between samples");
    options.progress = [this](const Trial&, std::size_t done, std::size_t of) { Say("students", done, of); };
    return options;
  }

  Result<StudentSearch> Describe(const Distilled& distilled, const std::vector<StudentView>& views) const {
    StudentSearch found;
    const StudentView& view = views[distilled.trial.view];
    found.description = optimize::Describe(distilled.trial, views);
    found.manifest = StudentManifest(request_.subject.folder.manifest, view,
                                     "Student of " + request_.subject.folder.name + ": " + found.description);
    found.onnx = distilled.onnx;
    PUNCTUAL_ASSIGN(found.time, TimeStudent(found.onnx, view.features));
    PUNCTUAL_ASSIGN(found.of_model,
                    TimeStudent(request_.subject.folder.onnx, request_.subject.folder.manifest.features));
    found.questions = QuestionsOf(view, request_.parts.held_out);
    for (const Trial& trial : distilled.trials)
      found.trials.push_back({optimize::Describe(trial, views), trial.took_us, trial.fits, trial.fidelity});
    return found;
  }

  const StudentSearchRequest& request_;
  std::vector<StudentView> views_;
};

}  // namespace

json::array JsonOf(const std::vector<StudentTrial>& trials) {
  json::array array;
  for (const StudentTrial& trial : trials)
    array.push_back(json::object{{"student", trial.description},
                                 {"took_us", trial.took_us},
                                 {"fits", trial.fits},
                                 {"fidelity", trial.fits ? json::value(trial.fidelity) : json::value()}});
  return array;
}

Result<StudentSearch> FindStudent(const StudentSearchRequest& request, WorkFolder& work) {
  if (auto kept = ReadKept(work, request.parts.held_out.size())) return std::move(*kept);
  auto found = Search(request).Run();
  if (found.has_error()) {
    if (found.error().code == Code::kResourceExhausted) return found.error();  // memory: less may do another time
    found = StudentSearch{.failure = found.error().message};
  }
  PUNCTUAL_TRY(Keep(*found, work));
  return found;
}

}  // namespace punctual::optimize
