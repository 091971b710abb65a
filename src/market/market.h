// The server's market state: per symbol the newest snapshots, appended by a feed and read by requests.
//
// Publish never waits for readers, nor readers for Publish (Published<T>); feeds of different symbols do not meet, two
// feeds of one symbol take turns on its lock. Thread-safe.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/published.h"
#include "market/window.h"

namespace punctual {

// One symbol's bounded ring: at least the newest `history` snapshots, in two blocks of that size of which the older is
// dropped when the newer is full.
class SymbolState {
 public:
  explicit SymbolState(std::size_t history) : history_(history) {}

  // The errors of Engine::Publish. REQUIRES: Validate(book) passed.
  Result<void> Append(const BookSnapshot& book, TimePoint arrived);
  // Empty before the first snapshot.
  Window Take() const { return window_.Get(); }

 private:
  const std::size_t history_;
  Mutex mutex_;  // among feeds
  std::shared_ptr<const SnapshotBlock> previous_ GUARDED_BY(mutex_);
  std::shared_ptr<SnapshotBlock> block_ GUARDED_BY(mutex_);
  std::size_t count_ GUARDED_BY(mutex_) = 0;
  Published<Window> window_;
};

struct MarketOptions {
  std::size_t symbols = 1024;
  std::size_t history = 128;
};

class Market {
 public:
  Market(MarketOptions options, const Clock& clock);

  // See Engine::Publish and Engine::Forget.
  Result<void> Publish(std::string_view symbol, const BookSnapshot& book, TimePoint arrived = {});
  Result<void> Forget(std::string_view symbol);
  // kNotFound if nothing was published for it.
  Result<Window> Take(std::string_view symbol) const;

  std::size_t history() const { return options_.history; }
  std::uint64_t snapshot_count() const { return snapshots_.load(std::memory_order_relaxed); }
  // Sorted.
  std::vector<std::string> Symbols() const;

 private:
  struct TextHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };
  using States = std::unordered_map<std::string, std::shared_ptr<SymbolState>, TextHash, std::equal_to<>>;

  std::shared_ptr<SymbolState> Find(std::string_view symbol) const;
  Result<std::shared_ptr<SymbolState>> FindOrAdd(std::string_view symbol);

  const MarketOptions options_;
  const Clock& clock_;
  Mutex mutex_;  // among those who add and remove symbols
  Published<std::shared_ptr<const States>> states_;
  std::atomic<std::uint64_t> snapshots_ = 0;
};

// A symbol's name: 1 to 64 letters, digits and "._:/-" (so that it fits in a path, a metric and a log line).
Result<void> ValidateSymbol(std::string_view symbol);

}  // namespace punctual
