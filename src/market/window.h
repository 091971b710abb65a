// The last snapshots of one symbol, as a request takes them: immutable, cheap to copy, valid as long as it is held,
// whatever the feed publishes meanwhile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/digest.h"
#include "punctual/market.h"
#include "punctual/prediction.h"

namespace punctual {

// What the market keeps of a snapshot: the book itself, the digest of what features can see of it (levels, prices and
// sizes; no times, no sequence), and when it came here.
struct StoredSnapshot {
  BookSnapshot book;
  Digest digest;
  TimePoint arrived{};
};

// The digest that StoredSnapshot keeps. REQUIRES: Validate(book) passed.
Digest DigestOf(const BookSnapshot& book);

// A run of snapshots in the order they came. The writer appends; what was appended never changes.
struct SnapshotBlock {
  explicit SnapshotBlock(std::size_t size) : snapshots(size) {}
  std::vector<StoredSnapshot> snapshots;
};

class Window {
 public:
  Window() = default;
  // The first `count` snapshots of `block`, after all of `previous` (which may be null).
  Window(std::shared_ptr<const SnapshotBlock> previous, std::shared_ptr<const SnapshotBlock> block, std::size_t count)
      : previous_(std::move(previous)), block_(std::move(block)), count_(count) {}
  // A window of books that came in a request. REQUIRES: each passes Validate().
  static Window Of(std::span<const BookSnapshot> books, TimePoint arrived);

  std::size_t size() const { return (previous_ ? previous_->snapshots.size() : 0) + count_; }
  bool empty() const { return count_ == 0; }
  // [0] is the newest, [1] the one before it. REQUIRES: back < size().
  const StoredSnapshot& FromNewest(std::size_t back) const {
    return back < count_ ? block_->snapshots[count_ - 1 - back]
                         : previous_->snapshots[previous_->snapshots.size() - 1 - (back - count_)];
  }
  const StoredSnapshot& newest() const { return FromNewest(0); }
  // The digest of the newest `length` snapshots: equal windows have equal digests, on every server.
  // REQUIRES: length <= size().
  Digest DigestOf(std::size_t length) const;

 private:
  std::shared_ptr<const SnapshotBlock> previous_;
  std::shared_ptr<const SnapshotBlock> block_;
  std::size_t count_ = 0;
};

}  // namespace punctual
