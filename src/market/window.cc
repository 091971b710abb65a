#include "market/window.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstring>

namespace punctual {

Digest DigestOf(const BookSnapshot& book) {
  // Not the struct itself: it has times, a sequence and padding.
  const auto levels = std::as_bytes(book.used_levels());
  const std::uint64_t count = levels.size() / sizeof(BookLevel);
  std::array<std::byte, sizeof count + sizeof(book.levels)> bytes;
  std::memcpy(bytes.data(), &count, sizeof count);
  std::memcpy(bytes.data() + sizeof count, levels.data(), levels.size());
  return DigestOf(std::span<const std::byte>(bytes.data(), sizeof count + levels.size()));
}

Window Window::Of(std::span<const BookSnapshot> books, TimePoint arrived) {
  auto block = std::make_shared<SnapshotBlock>(books.size());
  for (std::size_t i = 0; i < books.size(); ++i) {
    StoredSnapshot& stored = block->snapshots[i];
    stored.book = books[i];
    stored.digest = punctual::DigestOf(books[i]);
    stored.arrived = arrived;
  }
  return Window(nullptr, std::move(block), books.size());
}

Digest Window::DigestOf(std::size_t length) const {
  XXH3_state_t state;  // on the stack, about 600 bytes
  XXH3_128bits_reset(&state);
  std::array<Digest, 64> chunk;
  static_assert(sizeof chunk == chunk.size() * 2 * sizeof(std::uint64_t), "digests have no padding");
  for (std::size_t left = length; left > 0;) {
    const std::size_t count = std::min(left, chunk.size());
    for (std::size_t i = 0; i < count; ++i) chunk[i] = FromNewest(--left).digest;
    XXH3_128bits_update(&state, chunk.data(), count * sizeof(Digest));
  }
  const XXH128_hash_t hash = XXH3_128bits_digest(&state);
  return {hash.high64, hash.low64};
}

}  // namespace punctual
