#include "model/session_pool.h"

#include <algorithm>

#include "base/threads.h"

namespace punctual {

Result<void> SessionPool::Add(CompiledModel& compiled, std::size_t batch) {
  PUNCTUAL_ASSIGN(auto session, compiled.NewSession(batch));
  Add(compiled.signature(), std::move(session));
  return {};
}

void SessionPool::Add(const Signature& signature, std::unique_ptr<Session> session) {
  for (std::size_t i = 0; i < signature.inputs.size(); ++i) {
    const auto bytes = session->input(i);
    std::fill(bytes.begin(), bytes.end(), std::byte{0});
  }
  slots_.push_back(std::make_unique<Slot>());
  slots_.back()->session = std::move(session);
}

SessionPool::Lease::Lease(const SessionPool& pool) {
  const std::size_t count = pool.slots_.size();
  const std::size_t first = ThisThreadNumber() % count;
  for (std::size_t i = 0; i < count; ++i) {
    Slot& candidate = *pool.slots_[(first + i) % count];
    if (!candidate.busy.load(std::memory_order_relaxed) && !candidate.busy.exchange(true, std::memory_order_acquire)) {
      slot_ = &candidate;
      return;
    }
  }
}

}  // namespace punctual
