// Sessions of one model and one batch size, which inferences take in turn.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "model/backend.h"

namespace punctual {

// Thread-safe but for Add, which comes first.
class SessionPool {
 public:
  // One session more, its inputs all zero. The errors of NewSession.
  Result<void> Add(CompiledModel& compiled, std::size_t batch);
  // The same with one that is there already. REQUIRES: it is of the pool's model and batch size.
  void Add(const Signature& signature, std::unique_ptr<Session> session);
  std::size_t size() const { return slots_.size(); }
  // REQUIRES: size() > 0, and that nobody else uses the pool yet.
  Session& first() { return *slots_.front()->session; }

 private:
  struct Slot {
    std::unique_ptr<Session> session;
    std::atomic<bool> busy = false;
  };

 public:
  // A free session, preferring the one that this thread had last time; lock-free.
  class Lease {
   public:
    explicit Lease(const SessionPool& pool);
    ~Lease() {
      if (slot_ != nullptr) slot_->busy.store(false, std::memory_order_release);
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    // Null: all are busy.
    Session* session() const { return slot_ == nullptr ? nullptr : slot_->session.get(); }

   private:
    Slot* slot_ = nullptr;
  };

 private:
  std::vector<std::unique_ptr<Slot>> slots_;
};

// The inputs of one member of a batch.
class MemberInputs {
 public:
  MemberInputs(Session& session, std::size_t member, std::size_t batch)
      : session_(session), member_(member), batch_(batch) {}
  // The bytes of input i of the signature, row-major.
  std::span<std::byte> operator[](std::size_t i) const {
    const std::span<std::byte> all = session_.input(i);
    const std::size_t size = all.size() / batch_;
    return all.subspan(member_ * size, size);
  }

 private:
  Session& session_;
  const std::size_t member_, batch_;
};

// The outputs of one member of a batch.
class MemberOutputs {
 public:
  MemberOutputs(const Session& session, std::size_t member, std::size_t batch)
      : session_(session), member_(member), batch_(batch) {}
  std::span<const std::byte> operator[](std::size_t i) const {
    const std::span<const std::byte> all = session_.output(i);
    const std::size_t size = all.size() / batch_;
    return all.subspan(member_ * size, size);
  }

 private:
  const Session& session_;
  const std::size_t member_, batch_;
};

}  // namespace punctual
