// The backend `faulty`: what `openvino` computes, but for what the page of bench/faults.h says. The page is the file
// that the environment variable PUNCTUAL_FAULTS names; read once, when the first model is compiled.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <thread>

#include "faults.h"
#include "model/backend.h"

namespace punctual {

namespace {

using std::chrono::milliseconds;

// Stays mapped as long as the process lives: an inference may look at it at any time.
Result<FaultPage*> MapPage() {
  const char* const path = std::getenv("PUNCTUAL_FAULTS");
  if (path == nullptr)
    return Fail(Code::kFailedPrecondition, "backend faulty: set PUNCTUAL_FAULTS to the file of bench/faults.py");
  const int file = ::open(path, O_RDWR | O_CLOEXEC);
  struct stat status {};
  const bool fits = file >= 0 && ::fstat(file, &status) == 0 && status.st_size >= static_cast<off_t>(sizeof(FaultPage));
  void* const memory =
      fits ? ::mmap(nullptr, sizeof(FaultPage), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) : MAP_FAILED;
  if (file >= 0) ::close(file);
  if (memory == MAP_FAILED)
    return Fail(Code::kFailedPrecondition, "PUNCTUAL_FAULTS: " + std::string(path) + " is not a file of at least " +
                                               std::to_string(sizeof(FaultPage)) + " bytes that can be written");
  return static_cast<FaultPage*>(memory);
}

class FaultySession final : public Session {
 public:
  FaultySession(std::unique_ptr<Session> inner, FaultPage& page, const Signature& signature)
      : inner_(std::move(inner)), page_(page), first_(inner_->output(0).begin(), inner_->output(0).end()) {
    is_float_ = signature.outputs[0].dtype == DType::kFloat32;
  }

  std::span<std::byte> input(std::size_t i) override { return inner_->input(i); }
  std::span<const std::byte> output(std::size_t i) const override {
    return i == 0 ? std::span<const std::byte>(first_) : inner_->output(i);
  }

  Result<void> Run() override {
    const auto fault = static_cast<Fault>(page_.fault.load(std::memory_order_acquire));
    const bool suffers = fault != Fault::kNone && Draw();
    const std::uint32_t amount = page_.amount.load(std::memory_order_relaxed);
    if (suffers && fault == Fault::kError) return Fail(Code::kInternal, "faulty: told to fail");
    if (suffers && fault == Fault::kSleep) std::this_thread::sleep_for(milliseconds(amount));
    while (suffers && fault == Fault::kHang && page_.fault.load(std::memory_order_acquire) == FaultNumber(Fault::kHang))
      std::this_thread::sleep_for(milliseconds(1));
    PUNCTUAL_TRY(inner_->Run());
    for (std::uint32_t i = 1; suffers && fault == Fault::kTimes && i < amount; ++i) PUNCTUAL_TRY(inner_->Run());
    std::memcpy(first_.data(), inner_->output(0).data(), first_.size());
    if (suffers && fault == Fault::kNan && is_float_) {
      const float nan = std::numeric_limits<float>::quiet_NaN();
      std::memcpy(first_.data(), &nan, sizeof nan);
    }
    return {};
  }

 private:
  static constexpr std::uint32_t FaultNumber(Fault fault) { return static_cast<std::uint32_t>(fault); }

  // Whether this inference is one of those that suffer.
  bool Draw() {
    if (random_() % 1'000'000 >= page_.per_million.load(std::memory_order_relaxed)) return false;
    std::int32_t left = page_.left.load(std::memory_order_relaxed);
    while (left > 0 && !page_.left.compare_exchange_weak(left, left - 1, std::memory_order_relaxed)) {
    }
    if (left == 0) return false;
    page_.suffered.fetch_add(1, std::memory_order_relaxed);
    return true;
  }

  const std::unique_ptr<Session> inner_;
  FaultPage& page_;
  std::vector<std::byte> first_;  // what the first output says
  bool is_float_ = false;
  std::mt19937 random_{std::random_device{}()};
};

class FaultyModel final : public CompiledModel {
 public:
  FaultyModel(std::unique_ptr<CompiledModel> inner, FaultPage& page) : inner_(std::move(inner)), page_(page) {}

  const Signature& signature() const override { return inner_->signature(); }
  Result<std::unique_ptr<Session>> NewSession(std::size_t batch) override {
    PUNCTUAL_ASSIGN(auto session, inner_->NewSession(batch));
    return std::unique_ptr<Session>(std::make_unique<FaultySession>(std::move(session), page_, signature()));
  }

 private:
  const std::unique_ptr<CompiledModel> inner_;
  FaultPage& page_;
};

class FaultyBackend final : public Backend {
 public:
  Result<std::unique_ptr<CompiledModel>> Compile(const CompileRequest& request) override {
    static const Result<FaultPage*> page = MapPage();
    if (page.has_error()) return page.error();
    PUNCTUAL_ASSIGN(Backend* const inner, FindBackend("openvino"));
    PUNCTUAL_ASSIGN(auto compiled, inner->Compile(request));
    return std::unique_ptr<CompiledModel>(std::make_unique<FaultyModel>(std::move(compiled), **page));
  }
};

[[maybe_unused]] const bool registered =
    RegisterBackend("faulty", []() -> std::unique_ptr<Backend> { return std::make_unique<FaultyBackend>(); });

}  // namespace

}  // namespace punctual
