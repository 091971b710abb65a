#include "cache/key.h"

#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>

namespace punctual {

namespace {

// What kind of question follows; part of the digested bytes.
enum class Kind : std::uint8_t { kState = 1, kBooks = 2, kTensors = 3 };

// XXH3's streaming state is 576 bytes, kept on the stack.
class Hasher {
 public:
  explicit Hasher(std::span<const std::byte> secret) {
    XXH3_INITSTATE(&state_);
    XXH3_128bits_reset_withSecret(&state_, secret.data(), secret.size());
  }
  void Add(const void* bytes, std::size_t size) { XXH3_128bits_update(&state_, bytes, size); }
  template <class T>
  requires std::is_trivially_copyable_v<T>
  void Add(const T& value) { Add(&value, sizeof value); }
  Digest Finish() const {
    const XXH128_hash_t hash = XXH3_128bits_digest(&state_);
    return {hash.high64, hash.low64};
  }

 private:
  XXH3_state_t state_;
};

// 0 stands for no name.
std::uint64_t NameHash(std::string_view name) {
  return name.empty() ? 0 : std::max<std::uint64_t>(1, XXH3_64bits(name.data(), name.size()));
}

}  // namespace

KeyMaker::KeyMaker(std::string_view secret) {
  std::string seed(secret);
  if (seed.empty()) {
    std::random_device random;
    for (int i = 0; i < 8; ++i) {
      const auto word = random();
      seed.append(reinterpret_cast<const char*>(&word), sizeof word);
    }
  }
  XXH3_generateSecret(secret_.data(), secret_.size(), seed.data(), seed.size());
}

CacheKey KeyMaker::OfState(const ServedModel& model, const Window& window) const {
  struct {
    Digest model, window;
    std::uint64_t kind;
  } question{model.digest(), window.DigestOf(model.features()->history()), static_cast<std::uint64_t>(Kind::kState)};
  const XXH128_hash_t hash = XXH3_128bits_withSecret(&question, sizeof question, secret_.data(), secret_.size());
  return CacheKey(Digest{hash.high64, hash.low64});
}

CacheKey KeyMaker::OfBooks(const ServedModel& model, const Window& window) const {
  Hasher hasher(secret_);
  hasher.Add(Kind::kBooks);
  hasher.Add(model.digest());
  for (std::size_t back = model.features()->history(); back-- > 0;) {
    const BookSnapshot& book = window.FromNewest(back).book;
    hasher.Add(book.level_count);
    hasher.Add(book.levels.data(), book.used_levels().size_bytes());
  }
  return CacheKey(hasher.Finish());
}

CacheKey KeyMaker::OfTensors(const Digest& model, std::span<const NamedTensor> tensors) const {
  Hasher hasher(secret_);
  hasher.Add(Kind::kTensors);
  hasher.Add(model);
  for (const NamedTensor& input : tensors) {
    hasher.Add(input.tensor.bytes().size());
    hasher.Add(input.tensor.bytes().data(), input.tensor.bytes().size());
  }
  return CacheKey(hasher.Finish());
}

CacheKey KeyMaker::OfCodes(const Digest& model, Codes kind, bool of_state, std::span<const std::byte> codes) const {
  Hasher hasher(secret_);
  hasher.Add(kind);
  hasher.Add(of_state);
  hasher.Add(model);
  hasher.Add(codes.data(), codes.size());
  return CacheKey(hasher.Finish());
}

Subject SubjectOf(const ServedModel& model, std::string_view symbol) {
  return {NameHash(model.identity()->model), model.digest().low, NameHash(symbol)};
}

SubjectFilter FilterOf(std::string_view model, std::string_view symbol) {
  return {NameHash(model), 0, NameHash(symbol)};
}

}  // namespace punctual
