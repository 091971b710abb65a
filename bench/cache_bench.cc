// What a hit costs in the second and the third layer, as JSON lines: {"name":..,"value":..,"unit":..,"better":..}.
//
// usage: cache_bench REPOSITORY MODEL DIRECTORY REDIS_PORT
//   REPOSITORY, MODEL: whose answers are kept; its ladder names l1, l2 and l3
//   DIRECTORY: of the disk cache; empty or not there
//
// Disk: each hit is timed on the calling thread, from the key to the answer: looked up, checked, decoded and kept in
// memory, as a request pays it. Redis: in turns with a bare client (libvalkey's blocking GET of the same keys on the
// same server), round by round; ratios are taken within a round, and their median over rounds is reported. A hit in
// Redis is there when the callback is called with the decoded answer, which is where a request goes on; the time until
// a thread that waits for it has woken up is reported as well.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <semaphore>
#include <string>
#include <thread>
#include <vector>

#include <valkey/valkey.h>

#include "base/clock.h"
#include "cache/redis/command.h"
#include "cache/tiered_cache.h"
#include "model/repository.h"

namespace punctual {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::size_t kDiskEntries = 100'000, kDiskCalls = 300'000;
constexpr std::size_t kRedisEntries = 10'000, kRedisRounds = 30, kRedisCalls = 300;
constexpr const char* kSecret = "bench";

void Report(const std::string& name, double value, const char* unit, const char* better) {
  std::printf("{\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"better\":\"%s\"}\n", name.c_str(), value, unit,
              better);
  std::fflush(stdout);
}

[[noreturn]] void GiveUp(const std::string& what) {
  std::fprintf(stderr, "cache_bench: %s\n", what.c_str());
  std::exit(1);
}

template <class T>
T Need(Result<T> result) {
  if (result.has_error()) GiveUp(result.error().message);
  return std::move(result).value();
}

double Quantile(std::vector<double> values, double share) {
  if (values.empty()) GiveUp("nothing was measured");
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(static_cast<double>(values.size() - 1) * share);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

double MicrosecondsSince(Steady::time_point begin) { return Microseconds(Steady::now() - begin); }

template <class Condition>
void WaitFor(const char* what, Condition condition) {
  const auto until = Steady::now() + std::chrono::seconds(20);
  while (!condition()) {
    if (Steady::now() > until) GiveUp(std::string("waited 20 s for ") + what);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

// An answer as the model could give it.
CachedAnswer AnswerOf(const ServedModel& model) {
  std::vector<NamedTensor> outputs;
  for (const TensorSpec& spec : model.outputs()) outputs.push_back({spec.name, Tensor(spec.dtype, spec.shape)});
  return {Outputs(outputs), SubjectOf(model, "BTCUSDT")};
}

std::vector<CacheKey> KeysOf(const TieredCache& cache, std::size_t count, std::uint64_t kind) {
  std::vector<CacheKey> keys;
  for (std::uint64_t i = 0; i < count; ++i) keys.push_back(cache.keys().OfTensors({kind, i}, {}));
  return keys;
}

// Times of `GetDisk` of keys drawn from all.
std::vector<double> DiskTimes(TieredCache& cache, const ServedModel& model, const std::vector<CacheKey>& keys,
                              bool is_hit) {
  std::mt19937_64 random(1);
  std::vector<double> times;
  CachedAnswer answer;
  for (std::size_t i = 0; i < kDiskCalls; ++i) {
    const CacheKey& key = keys[random() % keys.size()];
    const auto begin = Steady::now();
    const bool hit = cache.GetDisk(key, model, answer);
    const double time = MicrosecondsSince(begin);
    if (hit == is_hit) times.push_back(time);
  }
  if (times.size() != kDiskCalls) GiveUp("the disk cache does not have what it was given, or more than that");
  return times;
}

void MeasureDisk(const ServedModel& model, const std::string& directory) {
  TieredCacheOptions options;
  options.memory_bytes = 64u << 20;
  options.secret = kSecret;
  options.disk.emplace().directory = directory;
  // Or it would rest whenever the system takes the processor from it for a millisecond.
  options.disk->slow_look_up = std::chrono::seconds(1);
  options.on_notice = [](const std::string& notice) { GiveUp(notice); };
  const auto cache = Need(TieredCache::Open(options));
  const auto keys = KeysOf(*cache, kDiskEntries, 1), others = KeysOf(*cache, kDiskEntries, 2);
  const CachedAnswer answer = AnswerOf(model);
  const auto queue_below = [&](std::uint64_t limit) {
    WaitFor("the disk to be written", [&] { return cache->Stats().disk->queued <= limit; });
  };
  const auto begin = Steady::now();
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (i % 1024 == 0) queue_below(1024);
    cache->Put(keys[i], model, answer, {.disk = true, .redis = false});
  }
  queue_below(0);
  Report("l2_writes_per_s", static_cast<double>(keys.size()) / (MicrosecondsSince(begin) / 1e6), "1/s", "higher");
  const auto stats = *cache->Stats().disk;
  if (stats.entries != keys.size()) GiveUp("the disk cache kept " + std::to_string(stats.entries) + " answers only");
  Report("l2_bytes_per_entry", static_cast<double>(stats.bytes) / static_cast<double>(stats.entries), "B", "lower");

  DiskTimes(*cache, model, keys, true);  // brings the pages into memory
  const auto hits = DiskTimes(*cache, model, keys, true), misses = DiskTimes(*cache, model, others, false);
  Report("l2_hit_p50_us", Quantile(hits, 0.5), "us", "lower");
  Report("l2_hit_p99_us", Quantile(hits, 0.99), "us", "lower");
  Report("l2_miss_p50_us", Quantile(misses, 0.5), "us", "lower");
}

class BareClient {
 public:
  explicit BareClient(int port) : context_(::valkeyConnect("127.0.0.1", port), ::valkeyFree) {
    if (context_ == nullptr || context_->err != 0) GiveUp("no connection to Redis");
  }
  // True: there is a value.
  bool Get(std::string_view key) const {
    const std::unique_ptr<void, void (*)(void*)> reply(
        ::valkeyCommand(context_.get(), "GET %b", key.data(), key.size()), ::freeReplyObject);
    return reply != nullptr && static_cast<valkeyReply*>(reply.get())->type == VALKEY_REPLY_STRING;
  }

 private:
  std::unique_ptr<valkeyContext, void (*)(valkeyContext*)> context_;
};

struct RedisTimes {
  std::vector<double> answered, woken;  // until the callback had the answer; until who waited for it went on
};

class RedisMeasurement {
 public:
  RedisMeasurement(std::shared_ptr<const ServedModel> model, int port) : model_(std::move(model)), bare_(port) {
    TieredCacheOptions options;
    options.memory_bytes = 64u << 20;
    options.secret = kSecret;
    options.redis.emplace().nodes = {"127.0.0.1:" + std::to_string(port)};
    cache_ = Need(TieredCache::Open(options));
    WaitFor("a connection to Redis", [&] { return cache_->redis_expected() != RedisCache::kNever; });
    keys_ = KeysOf(*cache_, kRedisEntries, 3);
    const CachedAnswer answer = AnswerOf(*model_);
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      cache_->Put(keys_[i], *model_, answer, {});
      if (i % 512 == 511 || i + 1 == keys_.size())
        WaitFor("Redis to keep what was put", [&] { return cache_->Stats().redis->written == i + 1; });
    }
  }

  void Run() {
    Ours();
    Bare();  // both are warm now
    std::vector<double> answered, woken, bare, ratios, woken_ratios;
    for (std::size_t round = 0; round < kRedisRounds; ++round) {
      const bool ours_first = round % 2 == 0;
      RedisTimes ours;
      if (ours_first) ours = Ours();
      bare.push_back(Quantile(Bare(), 0.5));
      if (!ours_first) ours = Ours();
      answered.push_back(Quantile(ours.answered, 0.5));
      woken.push_back(Quantile(ours.woken, 0.5));
      ratios.push_back(answered.back() / bare.back());
      woken_ratios.push_back(woken.back() / bare.back());
    }
    Report("l3_hit_p50_us", Quantile(answered, 0.5), "us", "lower");
    Report("l3_hit_waiting_thread_p50_us", Quantile(woken, 0.5), "us", "lower");
    Report("l3_bare_get_p50_us", Quantile(bare, 0.5), "us", "lower");
    Report("l3_hit_ratio_vs_bare_get", Quantile(ratios, 0.5), "x", "lower");
    Report("l3_hit_waiting_thread_ratio_vs_bare_get", Quantile(woken_ratios, 0.5), "x", "lower");
  }

 private:
  const CacheKey& Pick() { return keys_[random_() % keys_.size()]; }

  RedisTimes Ours() {
    RedisTimes times;
    std::binary_semaphore called(0);
    for (std::size_t i = 0; i < kRedisCalls; ++i) {
      const CacheKey& key = Pick();
      double answered = 0;
      bool hit = false;
      const auto begin = Steady::now();
      cache_->GetRedis(key, model_, "BTCUSDT", begin + std::chrono::seconds(1), false,
                       [&](RedisLookUp, const CachedAnswer* answer) {
                         answered = MicrosecondsSince(begin);
                         hit = answer != nullptr;
                         called.release();
                       });
      called.acquire();
      const double woken = MicrosecondsSince(begin);
      if (!hit) continue;  // not within the bound of a look-up
      times.answered.push_back(answered);
      times.woken.push_back(woken);
    }
    if (times.woken.size() < kRedisCalls * 9 / 10) GiveUp("every tenth look-up in Redis was no hit");
    return times;
  }

  std::vector<double> Bare() {
    std::vector<double> times;
    const Subject subject = SubjectOf(*model_, "BTCUSDT");
    for (std::size_t i = 0; i < kRedisCalls; ++i) {
      const redis::KeyText key = redis::MakeKey(RedisOptions().prefix, Pick().digest(), subject);
      const auto begin = Steady::now();
      if (!bare_.Get(key.view())) GiveUp("the bare client's GET found nothing");
      times.push_back(MicrosecondsSince(begin));
    }
    return times;
  }

  const std::shared_ptr<const ServedModel> model_;
  const BareClient bare_;
  std::unique_ptr<TieredCache> cache_;
  std::vector<CacheKey> keys_;
  std::mt19937_64 random_{1};
};

}  // namespace
}  // namespace punctual

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "usage: cache_bench REPOSITORY MODEL DIRECTORY REDIS_PORT\n");
    return 2;
  }
  punctual::Repository repository(argv[1], {});
  punctual::Need(repository.Reload());
  const auto model = punctual::Need(repository.Find(argv[2])).model;
  punctual::MeasureDisk(*model, argv[3]);
  punctual::RedisMeasurement(model, static_cast<int>(std::strtol(argv[4], nullptr, 10))).Run();
  return 0;
}
