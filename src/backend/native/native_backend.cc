// The native backend: small models at the speed of the machine. What it does not know it refuses, with the operator's
// name; OpenVINO may know it.
//
// A plan is made once for each batch size, and shared by all sessions of that size: weights are packed and kept once.
#include <map>
#include <memory>
#include <string>

#include "backend/native/graph/onnx_reader.h"
#include "backend/native/passes/passes.h"
#include "backend/native/plan/plan.h"
#include "base/mutex.h"
#include "model/backend.h"

namespace punctual {

namespace {

using namespace native;

Result<DType> DTypeOf(ElementType type, const std::string& what) {
  switch (type) {
    case ElementType::kFloat32: return DType::kFloat32;
    case ElementType::kFloat64: return DType::kFloat64;
    case ElementType::kInt32: return DType::kInt32;
    case ElementType::kInt64: return DType::kInt64;
    case ElementType::kInt8:
    case ElementType::kUint8:
    case ElementType::kBool: break;
  }
  return Fail(Code::kInvalidArgument,
              what + " is of type " + std::string(NameOf(type)) + "; FP32, FP64, INT32 and INT64 are served");
}

Result<TensorSpec> SpecOf(const Value& value, const std::string& where, const char* what) {
  TensorSpec spec;
  spec.name = value.name;
  PUNCTUAL_ASSIGN(spec.dtype, DTypeOf(value.type, where + ": " + what + " \"" + value.name + "\""));
  spec.shape = value.dims;
  return spec;
}

class NativeSession final : public Session {
 public:
  explicit NativeSession(std::shared_ptr<const Plan> plan) : plan_(std::move(plan)), arena_(plan_->arena_bytes()) {}

  std::span<std::byte> input(std::size_t i) override { return plan_->input(i, arena_); }
  std::span<const std::byte> output(std::size_t i) const override { return plan_->output(i, arena_); }
  Result<void> Run() override {
    plan_->Run(arena_);
    return {};
  }

 private:
  const std::shared_ptr<const Plan> plan_;
  Arena arena_;
};

class NativeModel final : public CompiledModel {
 public:
  static Result<std::unique_ptr<CompiledModel>> Make(const CompileRequest& request) {
    std::unique_ptr<NativeModel> model(new NativeModel(std::string(request.onnx), request.where));
    PUNCTUAL_ASSIGN(const std::shared_ptr<const Plan> plan, model->PlanOf(1));
    const Graph& graph = plan->graph();
    for (const ValueId id : graph.inputs) {
      PUNCTUAL_ASSIGN(auto spec, SpecOf(graph.values[id], request.where, "input"));
      model->signature_.inputs.push_back(std::move(spec));
    }
    for (const ValueId id : graph.outputs) {
      PUNCTUAL_ASSIGN(auto spec, SpecOf(graph.values[id], request.where, "output"));
      model->signature_.outputs.push_back(std::move(spec));
    }
    return std::unique_ptr<CompiledModel>(std::move(model));
  }

  const Signature& signature() const override { return signature_; }

  Result<std::unique_ptr<Session>> NewSession(std::size_t batch) override {
    PUNCTUAL_ASSIGN(std::shared_ptr<const Plan> plan, PlanOf(batch));
    if (batch != 1) PUNCTUAL_TRY(CheckBatch(plan->graph(), static_cast<std::int64_t>(batch)));
    return std::unique_ptr<Session>(std::make_unique<NativeSession>(std::move(plan)));
  }

 private:
  NativeModel(std::string onnx, std::string where) : onnx_(std::move(onnx)), where_(std::move(where)) {}

  Result<std::shared_ptr<const Plan>> PlanOf(std::size_t batch) {
    MutexLock lock(mutex_);
    if (const auto found = plans_.find(batch); found != plans_.end()) return found->second;
    ReadOptions options;
    options.batch = static_cast<std::int64_t>(batch);
    PUNCTUAL_ASSIGN(ReadModel read, ReadOnnx(onnx_, where_, options));
    if (batch != 1 && !read.batch_is_open)
      return Fail(Code::kFailedPrecondition, "native: the model file has no open batch");
    Optimize(read.graph);
    Result<std::shared_ptr<const Plan>> plan = Plan::Make(std::move(read.graph), options.limits);
    if (plan.has_error()) return Fail(plan.error().code, where_ + ": " + plan.error().message);
    plans_[batch] = *plan;
    return plan;
  }

  // The outputs of a batch are those of one question, but for their first dimension.
  Result<void> CheckBatch(const Graph& graph, std::int64_t batch) const {
    for (std::size_t i = 0; i < graph.outputs.size(); ++i) {
      Shape wanted = signature_.outputs[i].shape;
      if (wanted.empty() || wanted[0] != 1)
        return Fail(Code::kFailedPrecondition, "native: output \"" + signature_.outputs[i].name + "\" has no batch");
      wanted[0] = batch;
      if (graph.values[graph.outputs[i]].dims != wanted)
        return Fail(Code::kFailedPrecondition,
                    "native: output \"" + signature_.outputs[i].name + "\" does not grow with the batch");
    }
    return {};
  }

  const std::string onnx_, where_;
  Signature signature_;
  Mutex mutex_;
  std::map<std::size_t, std::shared_ptr<const Plan>> plans_ GUARDED_BY(mutex_);
};

class NativeBackend final : public Backend {
 public:
  Result<std::unique_ptr<CompiledModel>> Compile(const CompileRequest& request) override {
    if (request.device != "CPU")
      return Fail(Code::kFailedPrecondition,
                  "device: native computes on \"CPU\" alone, not on \"" + request.device + "\"");
    if (request.precision != "fp32")
      return Fail(Code::kFailedPrecondition,
                  "variant: native computes what the file says, \"fp32\", not \"" + request.precision + "\"");
    return NativeModel::Make(request);
  }
};

[[maybe_unused]] const bool registered =
    RegisterBackend("native", []() -> std::unique_ptr<Backend> { return std::make_unique<NativeBackend>(); });

}  // namespace

}  // namespace punctual
