#include "support/gated_backend.h"

#include <atomic>
#include <thread>

#include "base/mutex.h"
#include "model/backend.h"

namespace punctual::test {

namespace {

struct GateState {
  Mutex mutex;
  CondVar opened, somebody_waits;
  bool open GUARDED_BY(mutex) = true;
  int waiting GUARDED_BY(mutex) = 0;
};

std::atomic<std::chrono::milliseconds> pace = std::chrono::milliseconds(3);

std::atomic<bool> batches_allowed = false;

GateState& TheGate() {
  static GateState state;
  return state;
}

class GatedSession final : public Session {
 public:
  explicit GatedSession(std::unique_ptr<Session> inner) : inner_(std::move(inner)) {}
  std::span<std::byte> input(std::size_t i) override { return inner_->input(i); }
  std::span<const std::byte> output(std::size_t i) const override { return inner_->output(i); }
  Result<void> Run() override {
    // Longer than a hand-over to the pool on any machine, so that no engine runs it on an asker's thread.
    std::this_thread::sleep_for(pace.load());
    {
      MutexLock lock(TheGate().mutex);
      ++TheGate().waiting;
      if (!TheGate().open) TheGate().somebody_waits.NotifyAll();
      while (!TheGate().open) TheGate().opened.Wait(TheGate().mutex);
      --TheGate().waiting;
    }
    return inner_->Run();
  }

 private:
  const std::unique_ptr<Session> inner_;
};

class GatedModel final : public CompiledModel {
 public:
  explicit GatedModel(std::unique_ptr<CompiledModel> inner) : inner_(std::move(inner)) {}
  const Signature& signature() const override { return inner_->signature(); }
  Result<std::unique_ptr<Session>> NewSession(std::size_t batch) override {
    if (batch > 1 && !batches_allowed) return Fail(Code::kFailedPrecondition, "batches were not allowed");
    PUNCTUAL_ASSIGN(auto session, inner_->NewSession(batch));
    return std::unique_ptr<Session>(std::make_unique<GatedSession>(std::move(session)));
  }

 private:
  const std::unique_ptr<CompiledModel> inner_;
};

class GatedBackend final : public Backend {
 public:
  explicit GatedBackend(Backend& inner) : inner_(inner) {}
  Result<std::unique_ptr<CompiledModel>> Compile(const CompileRequest& request) override {
    PUNCTUAL_ASSIGN(auto model, inner_.Compile(request));
    return std::unique_ptr<CompiledModel>(std::make_unique<GatedModel>(std::move(model)));
  }

 private:
  Backend& inner_;
};

// Found before the factory is called: FindBackend holds its lock while it calls one.
Backend* inner_backend = nullptr;

}  // namespace

Gate::Gate() {
  if (inner_backend == nullptr) inner_backend = FindBackend("native").value();
  RegisterBackend("gated", []() -> std::unique_ptr<Backend> { return std::make_unique<GatedBackend>(*inner_backend); });
}

Gate::~Gate() {
  Open();
  SetPace(std::chrono::milliseconds(3));
  batches_allowed = false;
}

void Gate::AllowBatches() { batches_allowed = true; }

void Gate::SetPace(std::chrono::milliseconds wanted) { pace = wanted; }

void Gate::Close() {
  MutexLock lock(TheGate().mutex);
  TheGate().open = false;
}

void Gate::AwaitInference() {
  MutexLock lock(TheGate().mutex);
  while (TheGate().waiting == 0) TheGate().somebody_waits.Wait(TheGate().mutex);
}

void Gate::Open() {
  MutexLock lock(TheGate().mutex);
  TheGate().open = true;
  TheGate().opened.NotifyAll();
}

}  // namespace punctual::test
