// The key is the whole question: what answers (the digest of the model file, variant, backend, and how its features are
// computed) and what it is asked (names, dtypes, shapes, bytes of tensors, or the window of books itself). Not the
// user.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

#include "base/digest.h"
#include "cache/record/subject.h"
#include "market/window.h"
#include "model/served_model.h"

namespace punctual {

// Made by KeyMaker alone: a Digest is not yet a key.
class CacheKey {
 public:
  CacheKey() = default;
  const Digest& digest() const { return digest_; }
  bool operator==(const CacheKey&) const = default;

 private:
  friend class KeyMaker;
  explicit CacheKey(const Digest& digest) : digest_(digest) {}
  Digest digest_;
};

struct CacheKeyHash {
  std::size_t operator()(const CacheKey& key) const { return DigestHash()(key.digest()); }
};

// XXH3-128 with a secret, so that nobody outside can look for two questions with one key. Thread-safe.
class KeyMaker {
 public:
  // Servers that share a cache share the secret. Empty: a random one, for this process alone.
  explicit KeyMaker(std::string_view secret);

  // About the newest `features()->history()` snapshots of the market state; they are digested as they come in, so this
  // reads 16 bytes a snapshot. REQUIRES: model.features(), and the window holds as many.
  CacheKey OfState(const ServedModel& model, const Window& window) const;
  // The same about books that came in a request. Whoever sends them may choose their bytes, so all of these go through
  // the secret, and never meet a key of the market state.
  CacheKey OfBooks(const ServedModel& model, const Window& window) const;
  // In the order of the model's inputs, whose names, dtypes and shapes they have (so the model's digest covers these).
  // `model`: ServedModel::digest().
  CacheKey OfTensors(const Digest& model, std::span<const NamedTensor> tensors) const;
  // About what the inputs were made into: codes that the model cannot tell apart (`kExact`), or cells of a grid
  // (`kApproximate`). Of the market state, of a request's books, of tensors: kept apart, as above.
  enum class Codes : std::uint8_t { kExact = 4, kApproximate = 5 };
  CacheKey OfCodes(const Digest& model, Codes kind, bool of_state, std::span<const std::byte> codes) const;

  // The key of a digest that a key gave: what a record on disk was kept under.
  static CacheKey Restore(const Digest& digest) { return CacheKey(digest); }

  // What records are signed with: who does not have it cannot make one.
  std::span<const std::byte> secret() const { return secret_; }

 private:
  alignas(64) std::array<std::byte, 192> secret_;
};

// For purging. `symbol`: may be empty.
Subject SubjectOf(const ServedModel& model, std::string_view symbol);
// All answers of a model, of a symbol (either may be empty), or of both.
SubjectFilter FilterOf(std::string_view model, std::string_view symbol);

}  // namespace punctual
