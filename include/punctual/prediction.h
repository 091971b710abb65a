// A question (PredictRequest) and its answer (Prediction), which says what it is: its provenance.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "punctual/market.h"
#include "punctual/outputs.h"
#include "punctual/result.h"
#include "punctual/tensor.h"

namespace punctual {

// The monotonic clock that deadlines and ages are counted on.
using TimePoint = std::chrono::steady_clock::time_point;
using Duration = std::chrono::nanoseconds;

// The rung that answered.
enum class Source : std::uint8_t { kL1, kL2, kL3, kCoalesced, kModel, kStudent, kStale, kSignal, kSemantic };
inline constexpr int kSourceCount = 9;
// As the API writes it: "l1", "l2", "l3", "coalesced", "model", "student", "stale", "signal", "semantic".
std::string_view SourceName(Source source);

// Exactly one of these ways to ask: `symbol` alone (the engine's own market state), `market` (books in the request;
// `symbol` may name them), or `inputs` (tensors, with `model`).
struct PredictRequest {
  std::string user;   // must be known to the engine: gives the tier and the model
  std::string model;  // empty: the user's own, its tier's or its style's
  std::string symbol;
  std::vector<BookSnapshot> market;  // oldest first
  std::vector<NamedTensor> inputs;
  std::optional<Duration> budget;  // shortens the tier's budget; a longer one is cut to the tier's
  TimePoint arrival{};             // when the request's last byte arrived; default: when Predict is called
  // True once nobody waits for the answer any more: what has not begun then is not computed. It is called back all the
  // same. Null: the asker does not leave.
  std::shared_ptr<const std::atomic<bool>> asker_left;
};

// Which books an answer is about: the newest one of the window.
struct AsOf {
  std::uint64_t sequence = 0;
  std::int64_t time_ns = 0;  // Unix: the exchange's time where known, else the receive time
};

// Who computed an answer. Shared by all answers of one loaded version.
struct ModelIdentity {
  std::string model;
  std::string version;
  std::string variant;
};

// An answer. Cheap to copy: small outputs are a few words, larger ones and the identity are shared.
struct Prediction {
  Outputs outputs;
  std::shared_ptr<const ModelIdentity> identity;
  Source source = Source::kModel;
  bool degraded = false;      // not computed by the primary model on this very input
  bool approximate = false;   // from a cache entry of nearly the same input
  std::string reason;         // why it is degraded; empty otherwise
  std::optional<AsOf> as_of;  // none for tensors, and for signals (they say when they were computed by their age)
  std::optional<Duration>
      age;             // since the newest book behind it arrived, or since a signal was computed; none for tensors
  Duration budget{};   // what the request had
  Duration elapsed{};  // from arrival until the answer was ready
  // Of an answer that the model computed for this request: the wait for a worker (none if it ran where it was asked),
  // and the inference, features included.
  std::optional<Duration> queued, inference;
  std::uint64_t trace = 0;  // unique within the process; the API writes it in hex
};

// Called exactly once, on the calling thread or on a thread of the engine. Must not block.
using PredictCallback = std::function<void(Result<Prediction>)>;

}  // namespace punctual
