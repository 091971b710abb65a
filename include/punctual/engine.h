// The engine: models, market state, caches and the ladder behind one door.
//
//   auto engine = punctual::Engine::Open(options);
//   engine->Publish("BTCUSDT", snapshot);
//   auto answer = engine->Predict({.user = "u1", .symbol = "BTCUSDT"});
//
// Every function may be called from any number of threads at once, except the moves and the destructor.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "punctual/cache.h"
#include "punctual/market.h"
#include "punctual/prediction.h"
#include "punctual/request_log.h"
#include "punctual/result.h"

namespace punctual {

namespace telemetry {
class Registry;
}

// A rate is in requests a second; 0: no limit. A burst is how many may come at once; 0: rate / 10, at least 1.
struct TierOptions {
  Duration budget{};      // > 0
  double weight = 1;      // > 0: share of the worker pool when it has too much to do
  double rate = 0;        // of the whole tier; beyond: RESOURCE_EXHAUSTED
  double burst = 0;       // needs `rate`
  double user_rate = 0;   // of each of its users; beyond: RESOURCE_EXHAUSTED
  double user_burst = 0;  // needs `user_rate`
  // style -> model, for users of this tier: before EngineOptions::styles, which must declare the style.
  std::map<std::string, std::string> models = {};
};

struct UserOptions {
  std::string name;
  std::string tier;
  std::string style;
  std::string model = {};  // its own, before its tier's and its style's; empty: none
  std::string where = {};  // where it was declared, for messages ("users.csv:7"); may be empty
};

// What a look at the repository came to: how many models were loaded, dropped or refused anew, or why it could not be
// read.
using ReloadCallback = std::function<void(const Result<int>& changes)>;

// Every field has its documented default; docs/configuration.md says the same for the file (`EngineOptionsFromFile`).
struct EngineOptions {
  std::string model_repository;  // required: a folder of MODEL/model.toml and MODEL/VERSION/model.onnx
  Duration reload_poll = std::chrono::seconds(1);  // how often the repository is looked at for changes; 0: never
  // The file that keeps which backend was quicker on this CPU, for models with backend = "auto". Without a value: one
  // in the disk cache's folder, if there is a disk cache; empty: none, and it is measured at each start.
  std::optional<std::string> backend_choices;
  std::map<std::string, TierOptions> tiers = {{"premium", {std::chrono::milliseconds(15), 6}},
                                              {"standard", {std::chrono::milliseconds(25), 3}},
                                              {"basic", {std::chrono::milliseconds(50), 1}}};
  std::map<std::string, std::string> styles;  // style -> model; one that is not there yet is NOT_FOUND until it is
  std::vector<UserOptions> users;
  int workers = 0;                 // threads of the worker pool; 0: the cores this process may use
  std::vector<int> worker_cores;   // worker i runs on worker_cores[i % size] alone; empty: wherever the system likes
  std::size_t largest_batch = 8;   // questions that a worker may compute at once where that pays, 1 to 8
  int worker_nice = 10;            // of the workers, 0 to 19: how far they come after threads that answer
  std::size_t queue_limit = 4096;  // inferences of each tier waiting for a worker; beyond: the next rung
  int spare_workers = 2;           // threads that may take the place of workers whose inference hangs
  bool brown_out = true;           // whether what is optional is turned off while CPU is short (answer/brown_out.h)
  Duration hung_after = std::chrono::seconds(1);  // an inference hangs when it takes longer, and than 50 times its p95
  std::size_t inline_threads = 8;                 // callers that may run a cheap model at once on their own thread
  std::size_t memory_cache_bytes = 64u << 20;     // 0: keeps nothing, and so do too few for an answer (1 MiB suffice)
  std::size_t market_symbols = 1024;              // symbols that may have a state
  std::size_t market_history = 128;  // snapshots kept per symbol at least; the longest window a model may ask for
  std::optional<DiskLayerOptions> disk_cache;  // none: no disk cache
  std::optional<RedisLayerOptions> redis;      // none: no Redis
  // Keys and signs the caches; required with `redis`, whose users share it. Empty: the disk cache keeps one of its own,
  // and without a disk cache it is a random one of this process.
  std::string cache_secret;
  std::optional<RequestLogOptions> request_log;  // none: nothing of what is asked is kept
  ReloadCallback on_reload;  // called when a look changed something or failed, on the thread that looked; may be empty
  // What an operator should know (a disk cache that cannot be used, approximate answers that were turned off), from any
  // thread; may be empty. Must not block.
  std::function<void(const std::string&)> on_notice;
  Duration reply_reserve = std::chrono::microseconds(200);  // floor of what is kept back of each budget for replying
};

// What a model's [semantic] answers come to.
struct SemanticStatus {
  std::string kind;            // "exact", "approximate"
  bool on = true;              // false: too many audited answers differed, and no more are given
  double audit_share = 0;      // of approximate answers
  std::uint64_t audited = 0;   // computed again
  std::uint64_t differed = 0;  // of these
  std::string summary;         // of the audits, for people; empty: there are none
};

// How a model's own answers compare with those of what stands in for it and, of another variant than fp32, with those
// of its float file.
struct ShadowStatus {
  struct Variant {
    std::uint64_t compared = 0;
    std::uint64_t differed = 0;  // of these, another class
    std::uint64_t dropped = 0;   // not compared, for want of time
    // Of the last 256 compared, between two numbers of the first output the largest, absolute, and of these the mean.
    double mean_difference = 0;
  };
  double share = 0;                         // of the answers that the model itself computed
  std::map<std::string, Variant> variants;  // by name: "student"; "int8" or "bf16", the model's own
};

struct ModelStatus {
  std::string name;
  std::string folder;   // of its files, the whole path
  std::string version;  // the one that answers; empty: none does
  std::string variant;
  std::string backend;         // the one that computes
  std::string backend_reason;  // why that one, where the manifest leaves it open: what each takes, or why one cannot
  std::string device;
  std::string error;               // why the newest version was refused; empty: it was not
  bool runs_inline = false;        // measured cheap enough to run on the caller's thread
  Duration typical{}, expected{};  // what one inference takes lately, features included: p50, p95
  std::size_t largest_batch = 1;   // questions that the worker pool answers at once where they wait; 1: it does not pay
  std::string health;              // why it is left alone after failures; empty: it is not
  std::string student;             // the model that stands in for it when time is short; empty: none
  std::string student_error;       // why the one its manifest names does not
  std::vector<std::string> inputs;  // "book FP32 [1,100,40]"
  std::vector<std::string> outputs;
  std::vector<Source> ladder;              // rungs in order of preference
  std::optional<SemanticStatus> semantic;  // none: only equal inputs share an answer
  std::optional<ShadowStatus> shadow;      // none: nothing is compared with it
};

struct TierStats {
  std::string tier;
  Duration budget{};
  std::uint64_t answered = 0;
  std::uint64_t unanswered = 0;                            // UNAVAILABLE, in time
  std::uint64_t within_budget = 0;                         // answers that were ready within the budget
  double p50_ms = 0, p99_ms = 0, p999_ms = 0, max_ms = 0;  // from arrival to answer ready
};

struct EngineStats {
  std::vector<TierStats> tiers;                  // by rising budget
  std::map<std::string, std::uint64_t> sources;  // source -> answers
  std::map<std::string, std::uint64_t> errors;   // code -> refused requests
  CacheStats cache;
  std::optional<RequestLogStats> request_log;  // none: there is no such log
  std::uint64_t snapshots = 0, symbols = 0;
  std::uint64_t queued = 0, workers = 0;
  double reply_cost_p9999_us = 0;
};

class Engine {
 public:
  // Loads the repository and starts the engine's threads. A model that does not load is reported in Models(), not here;
  // kInvalidArgument for options that cannot work, naming the field; kNotFound if the repository is not there.
  static Result<Engine> Open(EngineOptions options);

  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;
  // Answers what was admitted, then stops the threads.
  ~Engine();

  // Blocks until the answer is there, at the latest about the deadline. kInvalidArgument, kNotFound: the request is
  // wrong, and the message names the field; kResourceExhausted: over the user's or the tier's rate, see
  // Error::retry_after; kUnavailable: no rung had an answer.
  Result<Prediction> Predict(PredictRequest request);
  // The same without blocking. Cheap answers call back before this returns.
  void PredictAsync(PredictRequest request, PredictCallback callback);

  // Appends a book to the symbol's state. kInvalidArgument: not a valid book; kAlreadyExists, kOutOfRange: its sequence
  // is the newest one's or older; kResourceExhausted: one symbol too many.
  // `arrived`: when the book reached the process, from which its age counts; the epoch or the future: now.
  Result<void> Publish(std::string_view symbol, const BookSnapshot& snapshot,
                       std::chrono::steady_clock::time_point arrived = {});
  // Drops the symbol's state, so that its feed may start again at any sequence. kNotFound.
  Result<void> Forget(std::string_view symbol);

  // Of all tiers: after so long nobody waits for an answer any more.
  std::chrono::nanoseconds longest_budget() const;

  // Looks at the repository now. Requests in flight finish on the version they began with.
  void Reload();
  // Drops cached answers, those that are on disk and in Redis in the background: EngineStats::cache.purges says how far
  // that is. Blocks until memory was emptied. Answers that are being computed may be kept afterwards. kNotFound: no
  // such model; kResourceExhausted: 64 purges run already.
  Result<PurgeStatus> PurgeCache(const PurgeRequest& request);
  // The same without blocking: calls back on a thread of the cache, or before this returns.
  void PurgeCacheAsync(const PurgeRequest& request, PurgeCallback callback);
  std::vector<ModelStatus> Models() const;
  EngineStats Stats() const;
  // Where a server above adds its own metrics, and where /metrics comes from.
  telemetry::Registry& metrics();
  // A server above says that it refused a prediction before it came to the engine, with that code.
  void RecordRefusal(Code code);
  // A server above says what sending an answer cost, from the callback until it was written.
  void RecordReplyCost(Duration cost);

 private:
  class Impl;
  explicit Engine(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Reads a configuration file (docs/configuration.md). kInvalidArgument names the file, the line and the key.
Result<EngineOptions> EngineOptionsFromFile(const std::string& path);

}  // namespace punctual
