#include "optimize/write_folder.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "optimize/gate.h"
#include "optimize/load_made.h"
#include "optimize/profile.h"
#include "optimize/report.h"
#include "optimize/run_model.h"

namespace punctual::optimize {

namespace {

class Folder {
 public:
  explicit Folder(const FolderRequest& request)
      : subject_(request.subject),
        samples_(request.samples),
        parts_(request.parts),
        answers_(request.answers),
        models_(request.models),
        found_(request.found),
        progress_(request.progress) {}

  Result<void> Write(WorkFolder& work) {
    PUNCTUAL_ASSIGN(const std::string signals, Signals());
    const std::string profile = ProfileJson(MakeProfile());
    for (const MadeModel& model : models_) PUNCTUAL_TRY(WriteModel(model, signals, profile, work));
    if (!found_.student_name.empty()) PUNCTUAL_TRY(WriteStudent(signals, work));
    PUNCTUAL_TRY(work.Write("report.json", ReportJson(found_)));
    PUNCTUAL_TRY(work.Write("report.html", ReportHtml(found_)));
    return work.Publish();
  }

 private:
  Result<void> WriteModel(const MadeModel& model, const std::string& signals, const std::string& profile,
                          WorkFolder& work) const {
    const ModelFolder& folder = subject_.folder;
    const std::string version = model.name + "/" + folder.version + "/";
    if (found_.int8_standing.passed) PUNCTUAL_TRY(work.Write(version + "int8.onnx", found_.int8.file().onnx));
    PUNCTUAL_TRY(work.Write(version + "profile.json", profile));
    const std::string& served = model.variant == "int8" ? found_.int8.file().onnx : folder.onnx;
    return WriteServed({model.name, folder.version, model.manifest, served, signals}, folder.onnx, work);
  }

  // What every model has, loaded as a server would. `onnx`: its file in float.
  Result<void> WriteServed(const MadeFiles& made, const std::string& onnx, WorkFolder& work) const {
    const std::string version = made.name + "/" + made.version + "/";
    PUNCTUAL_TRY(work.Write(made.name + "/model.toml", made.manifest));
    PUNCTUAL_TRY(work.Write(version + "model.onnx", onnx));
    if (!made.signals.empty()) PUNCTUAL_TRY(work.Write(version + "signals.csv", made.signals));
    PUNCTUAL_TRY(LoadMade(found_.out, made));
    return {};
  }

  // With the model's signals: its outputs are the model's.
  Result<void> WriteStudent(const std::string& signals, WorkFolder& work) const {
    const StudentSearch& student = found_.student;
    return WriteServed({found_.student_name, subject_.folder.version, student.manifest, student.onnx, signals},
                       student.onnx, work);
  }

  // The model's answers to the parts up to `end`.
  Answers AnswersUpTo(std::size_t end) const {
    Answers all = answers_[0];
    for (std::size_t part = 1; part < end; ++part)
      all.values.insert(all.values.end(), answers_[part].values.begin(), answers_[part].values.end());
    return all;
  }

  // Of all samples: what the questions and the answers are like, whichever part they were in.
  Profile MakeProfile() const {
    Profile profile;
    profile.model = HexText(found_.files.front().digest);
    profile.samples = samples_.count();
    const std::optional<FeatureSpec>& features = subject_.folder.manifest.features;
    const std::vector<std::string> names =
        ColumnNames(samples_.inputs, features ? features->columns : std::vector<std::string>());
    std::vector<std::vector<double>> columns(names.size());
    std::vector<double> row;
    for (std::size_t i = 0; i < samples_.count(); ++i) {
      std::vector<std::span<const std::byte>> values;
      for (std::size_t input = 0; input < samples_.inputs.size(); ++input) values.push_back(samples_.Of(input, i));
      row.clear();
      AppendColumns(samples_.inputs, values, row);
      for (std::size_t column = 0; column < row.size(); ++column) columns[column].push_back(row[column]);
    }
    for (std::size_t column = 0; column < names.size(); ++column)
      profile.inputs.push_back(SpreadOf(names[column], std::move(columns[column])));
    const Answers all = AnswersUpTo(answers_.size());
    profile.answers = all.width > 1
                          ? SpreadOfClasses(all)
                          : SpreadOf(found_.output, std::vector<double>(all.values.begin(), all.values.end()));
    for (const VariantRun& run : found_.runs) {
      if (!run.fidelity) continue;
      Profile::Variant variant{run.variant, run.backend, profile.model, 0, DifferenceOf(*run.fidelity)};
      for (const VariantFile& file : found_.files)
        if (file.variant == run.variant) variant.file = HexText(file.digest);
      if (run.variant == "student") variant.limit = found_.max_student_accuracy_drop;
      if (run.variant == "int8" || run.variant == "bf16") variant.limit = found_.max_accuracy_drop;
      profile.variants.push_back(std::move(variant));
    }
    return profile;
  }

  // The model's own; else the means of its answers to what was not held out.
  Result<std::string> Signals() const {
    if (subject_.folder.signals) return *subject_.folder.signals;
    const bool all_float = std::all_of(subject_.outputs.begin(), subject_.outputs.end(),
                                       [](const TensorSpec& output) { return output.dtype == DType::kFloat32; });
    if (!all_float || samples_.symbols == std::vector<std::string>{""}) return std::string();
    std::vector<std::size_t> indices = parts_.fit;
    indices.insert(indices.end(), parts_.search.begin(), parts_.search.end());
    std::vector<Answers> answers = {AnswersUpTo(2)};
    for (std::size_t i = 1; i < subject_.outputs.size(); ++i) {
      PUNCTUAL_ASSIGN(Answers more, RunModel(*subject_.reference, samples_, indices,
                                             {.output = subject_.outputs[i].name, .progress = progress_}));
      answers.push_back(std::move(more));
    }
    return SignalsOf(samples_, indices, subject_.outputs, answers);
  }

  const Subject& subject_;
  const Samples& samples_;
  const Parts& parts_;
  const std::span<const Answers, 3> answers_;
  const std::vector<MadeModel>& models_;
  const Optimization& found_;
  const std::function<void(std::size_t done, std::size_t of)>& progress_;
};

}  // namespace

Result<void> WriteFolder(const FolderRequest& request, WorkFolder& work) { return Folder(request).Write(work); }

}  // namespace punctual::optimize
