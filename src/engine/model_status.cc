#include "engine/model_status.h"

#include <filesystem>
#include <optional>
#include <utility>

namespace punctual {

namespace {

std::optional<SemanticStatus> SemanticStatusOf(const ServedModel& model) {
  if (!model.manifest().semantic) return std::nullopt;
  SemanticStatus status;
  if (model.audit() == nullptr) {
    status.kind = "exact";
    return status;
  }
  const ShadowAudit::Stats stats = model.audit()->stats();
  status.kind = "approximate";
  status.on = !stats.tripped;
  status.audit_share = model.manifest().semantic->audit_share;
  status.audited = stats.audited;
  status.differed = stats.differed;
  status.summary = model.audit()->Summary();
  return status;
}

std::optional<ShadowStatus> ShadowStatusOf(const ServedModel& model) {
  if (model.comparison() == nullptr) return std::nullopt;
  ShadowStatus status;
  status.share = model.comparison()->sample().share();
  for (const StandIn stand_in : model.comparison()->compared()) {
    const ShadowComparison::Stats stats = model.comparison()->stats(stand_in);
    status.variants[std::string(StandInName(stand_in))] = {stats.compared, stats.differed, stats.dropped,
                                                           stats.mean_difference};
  }
  return status;
}

std::string Describe(const TensorSpec& spec) {
  return spec.name + " " + std::string(DTypeName(spec.dtype)) + " " + ShapeText(spec.shape);
}

}  // namespace

ModelStatus StatusOf(const std::string& repository, const std::string& name, const RepositoryEntry& entry) {
  std::error_code unknown;
  ModelStatus status;
  status.name = name;
  status.folder = (std::filesystem::absolute(repository, unknown) / name).lexically_normal().string();
  status.error = entry.error;
  status.student_error = entry.student_error;
  if (entry.served == nullptr) return status;
  const ServedModel& model = *entry.served;
  status.version = model.identity()->version;
  status.variant = model.identity()->variant;
  status.backend = model.backend();
  status.backend_reason = model.backend_reason();
  status.device = model.manifest().device;
  status.runs_inline = model.runs_inline();
  status.typical = model.cost().typical();
  status.expected = model.cost().high();
  status.largest_batch = model.batches().most();
  status.health = model.health().Summary();
  if (entry.student != nullptr) status.student = entry.student->identity()->model;
  status.ladder = model.manifest().ladder;
  status.semantic = SemanticStatusOf(model);
  status.shadow = ShadowStatusOf(model);
  for (const TensorSpec& spec : model.inputs()) status.inputs.push_back(Describe(spec));
  for (const TensorSpec& spec : model.outputs()) status.outputs.push_back(Describe(spec));
  return status;
}

}  // namespace punctual
