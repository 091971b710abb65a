// One loaded version of a model, with all that answering from it needs. Immutable but for its sessions, which are taken
// in turn, and what is known of its cost and health; shared by the requests that began with it. Thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/digest.h"
#include "model/backend_choice.h"
#include "model/batches.h"
#include "model/health.h"
#include "model/inference_cost.h"
#include "model/input_codes.h"
#include "model/input_grid.h"
#include "model/manifest.h"
#include "model/session_pool.h"
#include "model/shadow_audit.h"
#include "model/shadow_comparison.h"
#include "model/signals.h"
#include "punctual/outputs.h"

namespace punctual {

struct LoadOptions {
  std::size_t pool_sessions = 1;     // inferences that may run at once on the worker pool, those that hang included
  std::size_t caller_sessions = 0;   // and besides on callers' own threads, for models up to kQuick
  Duration inline_below{};           // an inference that takes less runs where it is asked for
  std::size_t longest_window = 128;  // snapshots that the market keeps
  std::size_t largest_batch = 1;     // questions that the pool may compute at once, where that pays
  std::string backend_choices;       // the file that ChooseBackend keeps; empty: none
  std::function<void(const std::string&)> on_notice;  // what an operator should mend; may be empty
};

// The files of one version, read once: what is digested is what runs.
struct ModelFiles {
  std::string name;
  std::string version;
  std::string manifest_path;
  Manifest manifest;
  std::string onnx_path, onnx;        // of the manifest's variant
  std::string signals_path, signals;  // empty path: there is none
  // Of the float model that the variant's answers are compared with; empty path: they are not.
  std::string float_path, float_onnx;
};

class ServedModel {
 public:
  // Compiles, checks the manifest against the file, makes the sessions and measures what an inference takes.
  // Every error says which file, which field, and what to do.
  static Result<std::shared_ptr<const ServedModel>> Load(const ModelFiles& files, const LoadOptions& options);

  const Manifest& manifest() const { return manifest_; }
  // The backend that computes, and why that one, if the manifest left it open.
  const std::string& backend() const { return choice_.backend; }
  const std::string& backend_reason() const { return choice_.reason; }
  const std::shared_ptr<const ModelIdentity>& identity() const { return identity_; }
  // Of what answers: the file's bytes, variant, backend, device and, where features are computed, how.
  const Digest& digest() const { return digest_; }
  const std::vector<TensorSpec>& inputs() const { return signature_.inputs; }
  const std::vector<TensorSpec>& outputs() const { return output_specs_; }
  const std::optional<FeaturePlan>& features() const { return features_; }
  const Signals& signals() const { return signals_; }
  // What the model can tell of its inputs, if its manifest asks for exact semantic answers; else null.
  const InputCodes* input_codes() const { return input_codes_ ? &*input_codes_ : nullptr; }
  // The cells whose inputs may share an answer, and the watch over that, if its manifest asks for approximate ones.
  const InputGrid* input_grid() const { return input_grid_ ? &*input_grid_ : nullptr; }
  ShadowAudit* audit() const { return audit_.get(); }
  // Of its answers with those of what stands in for it, if its manifest asks for that; else null.
  ShadowComparison* comparison() const { return comparison_.get(); }
  // Its float model (model/reference.h), if it is of another variant and compared with that; else null.
  const std::shared_ptr<const ServedModel>& reference() const { return reference_; }
  // What one inference takes, features included: measured at load, and ever since.
  InferenceCost& cost() const { return *cost_; }
  // As InferenceCost::Update, also of the batches.
  void UpdateCosts(TimePoint now) const {
    cost_->Update(now);
    batches_.cost().Update(now);
  }
  // As at load.
  void ForgetCosts() const {
    cost_->Forget();
    batches_.cost().Forget();
  }
  ModelHealth& health() const { return *health_; }
  // Far over what it should take, as at load: that is a fault.
  Duration far_over() const { return far_over_; }
  // Cheaper than a hand-over to a worker, at load and lately.
  bool runs_inline() const { return cheap_ && cost_->typical() < inline_below_; }
  // Of one inference at load, the longest that may run on a caller's thread as another model's student.
  static constexpr Duration kQuick = std::chrono::milliseconds(1);
  bool quick() const { return quick_; }
  // How questions on the pool are computed together.
  const Batches& batches() const { return batches_; }

  // Runs `fill` on a free session's inputs, computes, and takes the declared outputs. kResourceExhausted: no session is
  // free (more threads at once than sessions); kInternal: the backend failed; kOutOfRange: an output is not finite;
  // else fill's error. `Fill` is Result<void>(const MemberInputs&).
  template <class Fill>
  Result<Outputs> Infer(Fill&& fill) const {
    const SessionPool::Lease lease(sessions_);
    Session* const session = lease.session();
    if (session == nullptr) return NoFreeSession();
    PUNCTUAL_TRY(fill(MemberInputs(*session, 0, 1)));
    PUNCTUAL_TRY(session->Run());
    return TakeOutputs(MemberOutputs(*session, 0, 1));
  }
  // The same for `count` questions at once, 2 to batches().most(), each with its own result. `Fill` is
  // Result<void>(std::size_t question, const MemberInputs&).
  template <class Fill>
  std::vector<Result<Outputs>> InferBatch(std::size_t count, Fill&& fill) const {
    const std::size_t size = batches_.most();
    const SessionPool::Lease lease(batches_.sessions());
    Session* const session = lease.session();
    if (session == nullptr) return {count, NoFreeSession()};
    std::vector<Result<Outputs>> results;
    std::vector<Result<void>> filled;
    for (std::size_t i = 0; i < count; ++i) filled.push_back(fill(i, MemberInputs(*session, i, size)));
    if (const Result<void> ran = session->Run(); ran.has_error()) return {count, ran.error()};
    for (std::size_t i = 0; i < count; ++i)
      results.push_back(filled[i].has_error() ? Result<Outputs>(filled[i].error())
                                              : TakeOutputs(MemberOutputs(*session, i, size)));
    return results;
  }
  // Copies tensors in the order of inputs(). REQUIRES: each has the bytes of its input.
  static Result<void> FillTensors(const MemberInputs& inputs, std::span<const NamedTensor> tensors);

  // The index in inputs() that the features fill. REQUIRES: features().
  std::size_t feature_input() const { return feature_input_; }

 private:
  ServedModel() = default;
  Result<void> BindBackend(const ModelFiles& files, const LoadOptions& options);
  Result<void> BindOutputs(const std::string& where);
  Result<void> BindFeatures(const std::string& where, std::size_t longest_window);
  Result<void> BindSemantic(const ModelFiles& files);
  Result<void> BindComparison(const ModelFiles& files, const LoadOptions& options);
  Result<void> MakeSessions(const LoadOptions& options);
  // The best round's runs.
  Result<Histogram> Calibrate(Session& session) const;
  Error NoFreeSession() const;
  Result<Outputs> TakeOutputs(const MemberOutputs& from) const;

  Manifest manifest_;
  std::shared_ptr<const ModelIdentity> identity_;
  Digest digest_;
  BackendChoice choice_;
  Signature signature_;
  std::vector<TensorSpec> output_specs_;
  std::vector<std::size_t> output_index_;  // of each of output_specs_ in the signature
  std::optional<FeaturePlan> features_;
  std::size_t feature_input_ = 0;
  Signals signals_;
  std::optional<InputCodes> input_codes_;
  std::optional<InputGrid> input_grid_;
  std::unique_ptr<ShadowAudit> audit_;
  std::unique_ptr<ShadowComparison> comparison_;
  std::shared_ptr<const ServedModel> reference_;
  // Change while the model serves, by themselves.
  const std::unique_ptr<InferenceCost> cost_ = std::make_unique<InferenceCost>();
  const std::unique_ptr<ModelHealth> health_ = std::make_unique<ModelHealth>();
  Duration far_over_{}, inline_below_{};
  bool cheap_ = false, quick_ = false;
  SessionPool sessions_;
  Batches batches_;
};

}  // namespace punctual
