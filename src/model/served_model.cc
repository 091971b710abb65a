#include "model/served_model.h"

#include <algorithm>
#include <cstring>

#include "base/histogram.h"
#include "model/reference.h"

namespace punctual {

namespace {

// Calibration: a few rounds, each with runs enough for a p99, of which the best counts: what other work on the machine
// adds to a round is no property of the model. Long inferences end a round early.
constexpr int kCalibrationRounds = 5;
constexpr int kCalibrationRuns = 100;
constexpr Duration kCalibrationTime = std::chrono::milliseconds(30);
constexpr int kCalibrationWarmUp = 5;
// A run of more than so many times its p99, and so much more, is a fault of the model and not of the machine.
constexpr int kFarOver = 10;
constexpr Duration kFarOverAtLeast = std::chrono::milliseconds(20);

// What changes an answer's bits besides the model file: how its features are computed, and what computes.
std::string AnsweringFacts(const Manifest& manifest, const std::string& backend, const std::string& onnx) {
  std::string facts = HexText(DigestOf(onnx)) + "|" + backend + "|" + manifest.device + "|" + manifest.variant;
  for (const OutputDeclaration& output : manifest.outputs) facts += "|" + output.name;
  if (manifest.features) {
    const FeatureSpec& spec = *manifest.features;
    facts += "|" + manifest.feature_input + "|" + std::to_string(spec.window) + "|" + std::to_string(spec.levels);
    for (const std::string& column : spec.columns) facts += "," + column;
    const auto append_bits = [&facts](double value) {
      facts.append(reinterpret_cast<const char*>(&value), sizeof value);
    };
    for (const double value : spec.mean) append_bits(value);
    facts += "|";
    for (const double value : spec.std) append_bits(value);
    append_bits(spec.clip);
  }
  // Inputs are put on their codes; cells of another grid are other questions.
  if (manifest.semantic) {
    facts += manifest.semantic->kind == SemanticSpec::Kind::kExact ? "|codes" : "|grid";
    for (const double width : manifest.semantic->grid)
      facts.append(reinterpret_cast<const char*>(&width), sizeof width);
  }
  return facts;
}

// Books for calibration; what they say does not change how long they take.
Window CalibrationWindow(const FeaturePlan& plan) {
  std::vector<BookSnapshot> books(plan.history());
  for (BookSnapshot& book : books) {
    book.level_count = plan.levels();
    for (int i = 0; i < book.level_count; ++i)
      book.levels[static_cast<std::size_t>(i)] = {100.0 + 0.01 * (i + 1), 1.0 + i, 100.0 - 0.01 * (i + 1), 2.0 + i};
  }
  return Window::Of(books, TimePoint());
}

}  // namespace

Result<std::shared_ptr<const ServedModel>> ServedModel::Load(const ModelFiles& files, const LoadOptions& options) {
  std::shared_ptr<ServedModel> model(new ServedModel);
  const Manifest& manifest = model->manifest_ = files.manifest;
  model->identity_ = std::make_shared<const ModelIdentity>(ModelIdentity{files.name, files.version, manifest.variant});
  PUNCTUAL_TRY(model->BindBackend(files, options));
  model->digest_ = DigestOf(AnsweringFacts(manifest, model->choice_.backend, files.onnx));
  model->signature_ = model->choice_.compiled->signature();
  PUNCTUAL_TRY(model->BindOutputs(files.manifest_path));
  PUNCTUAL_TRY(model->BindFeatures(files.manifest_path, options.longest_window));
  PUNCTUAL_TRY(model->BindSemantic(files));
  if (!files.signals_path.empty()) {
    PUNCTUAL_ASSIGN(model->signals_, ParseSignals(files.signals, files.signals_path, model->output_specs_));
  }
  PUNCTUAL_TRY(model->MakeSessions(options));
  PUNCTUAL_TRY(model->BindComparison(files, options));
  return std::shared_ptr<const ServedModel>(std::move(model));
}

Result<void> ServedModel::BindBackend(const ModelFiles& files, const LoadOptions& options) {
  auto choice = ChooseBackend(manifest_.backend,
                              {files.onnx, files.onnx_path, std::string(PrecisionOf(manifest_)), manifest_.device},
                              options.backend_choices);
  if (choice.has_error()) {
    const Error& error = choice.error();
    const bool names_file = error.message.starts_with(files.onnx_path + ": ");
    return Fail(error.code, (names_file ? "" : files.manifest_path + ": ") + error.message);
  }
  choice_ = std::move(choice).value();
  if (!choice_.note.empty() && options.on_notice) options.on_notice(choice_.note);
  return {};
}

Result<void> ServedModel::BindSemantic(const ModelFiles& files) {
  if (!manifest_.semantic) return {};
  const SemanticSpec& spec = *manifest_.semantic;
  const auto refuse = [&](const char* field, const Error& error) {
    return Fail(error.code, files.manifest_path + ": semantic." + field + ": " + error.message);
  };
  if (spec.kind == SemanticSpec::Kind::kExact) {
    auto codes = InputCodes::FromOnnx(files.onnx, inputs());
    if (codes.has_error()) return refuse("kind", codes.error());
    input_codes_.emplace(std::move(codes).value());
    return {};
  }
  auto grid = InputGrid::Make(spec.grid, inputs());
  if (grid.has_error()) return refuse("grid", grid.error());
  input_grid_.emplace(std::move(grid).value());
  audit_ = std::make_unique<ShadowAudit>(
      ShadowAudit::Options{spec.audit_share, spec.tolerance, spec.max_error_share, digest_.low});
  return {};
}

Result<void> ServedModel::BindComparison(const ModelFiles& files, const LoadOptions& options) {
  std::vector<StandIn> compared;
  if (!manifest_.student.empty()) compared.push_back(StandIn::kStudent);
  if (!files.float_path.empty()) {
    PUNCTUAL_ASSIGN(reference_, LoadReference(*this, files, options));
    compared.push_back(*StandInOf(manifest_.variant));
  }
  if (manifest_.shadow_share > 0 && !compared.empty())
    comparison_ = std::make_unique<ShadowComparison>(manifest_.shadow_share, digest_.low, std::move(compared));
  return {};
}

Result<void> ServedModel::BindOutputs(const std::string& where) {
  std::vector<std::string> names;
  for (const OutputDeclaration& output : manifest_.outputs) names.push_back(output.name);
  if (names.empty())
    for (const TensorSpec& output : signature_.outputs) names.push_back(output.name);
  for (const std::string& name : names) {
    const auto found = std::find_if(signature_.outputs.begin(), signature_.outputs.end(),
                                    [&](const TensorSpec& output) { return output.name == name; });
    if (found == signature_.outputs.end())
      return Fail(Code::kInvalidArgument, where + ": outputs.name: the model file has no output \"" + name + "\"");
    output_specs_.push_back(*found);
    output_index_.push_back(static_cast<std::size_t>(found - signature_.outputs.begin()));
  }
  for (std::size_t i = 0; i < manifest_.outputs.size(); ++i) {
    const std::size_t classes = manifest_.outputs[i].classes.size();
    if (classes != 0 && classes != ElementCount(output_specs_[i].shape).value())
      return Fail(Code::kInvalidArgument, where + ": outputs.classes: " + std::to_string(classes) +
                                              " names for an output of shape " + ShapeText(output_specs_[i].shape));
  }
  return {};
}

Result<void> ServedModel::BindFeatures(const std::string& where, std::size_t longest_window) {
  if (!manifest_.features) return {};
  auto plan = FeaturePlan::Make(*manifest_.features);
  if (plan.has_error()) return Fail(plan.error().code, where + ": features: " + plan.error().message);
  features_ = std::move(plan).value();
  if (features_->history() > longest_window)
    return Fail(Code::kInvalidArgument, where + ": features.window: needs " + std::to_string(features_->history()) +
                                            " snapshots, the market keeps " + std::to_string(longest_window) +
                                            "; raise market.history");
  if (signature_.inputs.size() != 1)
    return Fail(Code::kInvalidArgument, where + ": features.input: the model file has " +
                                            std::to_string(signature_.inputs.size()) + " inputs, features fill one");
  const TensorSpec& input = signature_.inputs[0];
  if (input.name != manifest_.feature_input)
    return Fail(Code::kInvalidArgument,
                where + ": features.input: the model file's input is called \"" + input.name + "\"");
  const std::size_t need = static_cast<std::size_t>(features_->window()) * features_->columns();
  if (input.dtype != DType::kFloat32 || ElementCount(input.shape).value() != need)
    return Fail(Code::kInvalidArgument, where + ": features: " + std::to_string(features_->window()) + " x " +
                                            std::to_string(features_->columns()) + " float32 do not fit the input, " +
                                            std::string(DTypeName(input.dtype)) + " " + ShapeText(input.shape));
  return {};
}

Result<void> ServedModel::MakeSessions(const LoadOptions& options) {
  sessions_.Add(signature_, std::move(choice_.session));
  PUNCTUAL_ASSIGN(const Histogram calibration, Calibrate(sessions_.first()));
  cost_->Seed(calibration);
  const Duration p99 = calibration.Quantile(0.99);
  far_over_ = kFarOver * p99 + kFarOverAtLeast;
  inline_below_ = options.inline_below;
  quick_ = options.caller_sessions > 0 && p99 <= kQuick;
  cheap_ = quick_ && p99 < inline_below_;
  const std::size_t sessions = options.pool_sessions + (quick_ ? options.caller_sessions : 0);
  // What runs where it is asked for never waits in a queue for company.
  if (!cheap_) batches_.Find(*choice_.compiled, sessions_.first(), options.largest_batch, options.pool_sessions);
  while (sessions_.size() < sessions) PUNCTUAL_TRY(sessions_.Add(*choice_.compiled, 1));
  return {};
}

Result<Histogram> ServedModel::Calibrate(Session& session) const {
  const Window window = features_ ? CalibrationWindow(*features_) : Window();
  const auto infer = [&]() -> Result<void> {
    if (features_) {
      const std::span<std::byte> input = session.input(feature_input_);
      PUNCTUAL_TRY(features_->Compute(window, {reinterpret_cast<float*>(input.data()), input.size() / sizeof(float)}));
    }
    return session.Run();
  };
  Histogram best;
  for (int run = 0; run < kCalibrationWarmUp; ++run) PUNCTUAL_TRY(infer());
  for (int round = 0; round < kCalibrationRounds; ++round) {
    Histogram histogram;
    const TimePoint begin = std::chrono::steady_clock::now();
    TimePoint end = begin;
    for (int run = 0; run < kCalibrationRuns && end - begin < kCalibrationTime; ++run) {
      const TimePoint start = end;
      PUNCTUAL_TRY(infer());
      end = std::chrono::steady_clock::now();
      histogram.Record(end - start);
    }
    if (round == 0 || histogram.Quantile(0.99) < best.Quantile(0.99)) best = histogram;
  }
  return best;
}

Error ServedModel::NoFreeSession() const {
  return Fail(Code::kResourceExhausted,
              "model " + identity_->model + ": all " + std::to_string(sessions_.size()) + " sessions are busy");
}

Result<void> ServedModel::FillTensors(const MemberInputs& inputs, std::span<const NamedTensor> tensors) {
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto from = tensors[i].tensor.bytes();
    const auto to = inputs[i];
    if (from.size() != to.size()) return Fail(Code::kInternal, "inputs: " + tensors[i].name + " has the wrong size");
    std::memcpy(to.data(), from.data(), from.size());
  }
  return {};
}

Result<Outputs> ServedModel::TakeOutputs(const MemberOutputs& from) const {
  // On the stack for as many outputs as models have; more take a vector.
  std::array<OutputView, 8> few;
  std::vector<OutputView> many(output_specs_.size() > few.size() ? output_specs_.size() : 0);
  const std::span<OutputView> views =
      many.empty() ? std::span<OutputView>(few).first(output_specs_.size()) : std::span<OutputView>(many);
  for (std::size_t i = 0; i < views.size(); ++i) {
    const TensorSpec& spec = output_specs_[i];
    views[i] = {spec.name, spec.dtype, spec.shape, from[output_index_[i]]};
    if (!AllFinite(spec.dtype, views[i].bytes))
      return Fail(Code::kOutOfRange, "model " + identity_->model + ": output \"" + spec.name + "\" is not finite");
  }
  return Outputs(views);
}

}  // namespace punctual
