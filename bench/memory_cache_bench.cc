// What the memory cache costs and what its policy is worth, as JSON lines:
// {"name":..,"value":..,"unit":..,"better":..}.
//
// usage: memory_cache_bench [--trace FILE CAPACITY...]   (of entries)
//   FILE: the keys of a stream of questions in their order, 16 bytes each (the digest's high half, then the low one).
//
// Calls are timed between two readings of the steady clock; the median of such pairs with nothing between is
// subtracted. In batches of 8, of which each gives its mean: calls overlap in the processor, as they do with what
// surrounds them in a server. And alone (..._alone_...): then a hit in a cache larger than the processor's takes two
// loads from memory, one after the other; what one costs on this machine at this time is measured beside
// (machine_load_...). Rates are the best of several rounds, in which the counts of threads take turns: what else the
// machine does only ever makes a round slower.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <latch>
#include <list>
#include <numeric>
#include <random>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include <time.h>
#include <unistd.h>

#include "base/threads.h"
#include "cache/memory_cache.h"

namespace punctual {
namespace {

constexpr TimePoint kNow{std::chrono::seconds(1)};
constexpr Duration kTtl = std::chrono::hours(1);
constexpr std::size_t kEntries = 100'000;
constexpr std::size_t kCalls = 1'000'000, kBatch = 8;

void Report(const std::string& name, double value, const char* unit, const char* better) {
  std::printf("{\"name\":\"%s\",\"value\":%.6g,\"unit\":\"%s\",\"better\":\"%s\"}\n", name.c_str(), value, unit,
              better);
  std::fflush(stdout);
}

CacheKey KeyOf(const Digest& digest) {
  static const KeyMaker maker("bench");
  return maker.OfTensors(digest, {});
}

std::vector<CacheKey> Keys(std::size_t count, std::uint64_t kind) {
  std::vector<CacheKey> keys;
  for (std::uint64_t i = 0; i < count; ++i) keys.push_back(KeyOf({kind, i}));
  return keys;
}

// `count` of them in an order of their own, not that in which their entries lie in memory.
std::vector<CacheKey> Shuffled(std::vector<CacheKey> keys, std::size_t count) {
  std::shuffle(keys.begin(), keys.end(), std::mt19937_64(1));
  keys.resize(count);
  return keys;
}

const CachedAnswer kAnswer = [] {
  const float values[] = {0.1f, 0.2f, 0.7f};
  const NamedTensor output{"probabilities", Tensor::Float32({1, 3}, values)};
  return CachedAnswer{Outputs(std::span(&output, 1)), {1, 2, 3}};
}();

double NowNs() { return static_cast<double>(std::chrono::steady_clock::now().time_since_epoch().count()); }

// Reports the median and the 99th percentile of `call(key)` with each of the keys, in batches of 1 and of kBatch, over
// and over up to kCalls. Keys are at hand before the call, as in the engine, which has just made them.
template <class Call>
void TimeEach(const std::string& name, const std::vector<CacheKey>& keys, Call call) {
  std::vector<double> empty(kCalls / kBatch), full;
  for (double& ns : empty) {
    const double begin = NowNs();
    ns = NowNs() - begin;
  }
  std::nth_element(empty.begin(), empty.begin() + kCalls / kBatch / 2, empty.end());
  for (const std::size_t batch : {std::size_t{1}, kBatch}) {
    full.clear();
    std::size_t at = 0;
    for (std::size_t done = 0; done < kCalls; done += batch) {
      std::array<CacheKey, kBatch> now;
      std::copy_n(&keys[at], batch, now.begin());
      const double begin = NowNs();
      for (std::size_t i = 0; i < batch; ++i) call(now[i]);
      full.push_back(NowNs() - begin);
      at += batch;
      if (at + batch > keys.size()) at = 0;
    }
    std::sort(full.begin(), full.end());
    for (const std::size_t percent : {50u, 99u}) {
      const double ns = full[(full.size() - 1) * percent / 100] - empty[empty.size() / 2];
      Report(name + (batch == 1 ? "_alone_p" : "_p") + std::to_string(percent) + "_ns",
             std::max(0.0, ns) / static_cast<double>(batch), "ns", "lower");
    }
  }
}

std::size_t ResidentBytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t pages = 0, resident = 0;
  file >> pages >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// Room for `entries` small answers and half as many more: keys do not spread evenly over shards.
std::size_t BytesFor(std::size_t entries) { return entries * MemoryCache::Cost(kAnswer) * 3 / 2; }

void Fill(MemoryCache& cache, const std::vector<CacheKey>& keys) {
  for (const CacheKey& key : keys) cache.Put(key, kAnswer, kNow, kTtl);
}

void Memory() {
  const auto keys = Keys(kEntries, 1);
  const std::size_t before = ResidentBytes();
  MemoryCache unused(std::size_t{1} << 30);
  Report("l1_unused_resident_bytes_of_1_gib", static_cast<double>(ResidentBytes() - before), "B", "lower");
  const std::size_t empty = ResidentBytes();
  MemoryCache cache(BytesFor(kEntries));
  Fill(cache, keys);
  const auto count = static_cast<double>(cache.Stats().entries);
  Report("l1_resident_bytes_per_entry", static_cast<double>(ResidentBytes() - empty) / count, "B", "lower");
  Report("l1_accounted_bytes_per_entry", static_cast<double>(cache.Stats().bytes) / count, "B", "lower");
}

// One load after the other, each from where the one before said, all over as many bytes as `entries` take.
void MachineLoads(std::size_t entries) {
  struct alignas(64) Line {
    const Line* next;
  };
  std::vector<Line> lines(BytesFor(entries) / sizeof(Line));
  std::vector<std::size_t> order(lines.size());
  std::iota(order.begin(), order.end(), 0);
  std::shuffle(order.begin(), order.end(), std::mt19937_64(1));
  for (std::size_t i = 0; i < order.size(); ++i) lines[order[i]].next = &lines[order[(i + 1) % order.size()]];
  const double begin = NowNs();
  const Line* volatile at = &lines[0];
  for (std::size_t i = 0; i < lines.size(); ++i) at = at->next;
  const double ns = NowNs() - begin;
  Report("machine_load_of_" + std::to_string(entries) + "_ns", ns / static_cast<double>(lines.size()), "ns", "lower");
}

void Latency() {
  const auto keys = Keys(kEntries, 1);
  MemoryCache cache(BytesFor(kEntries));
  Fill(cache, keys);
  CachedAnswer found;
  const auto get = [&](const CacheKey& key) { cache.Get(key, kNow, found); };
  for (const std::size_t among : {std::size_t{1000}, std::size_t{10'000}, kEntries}) {
    TimeEach("l1_hit_of_" + std::to_string(among), Shuffled(keys, among), get);
    MachineLoads(among);
  }
  TimeEach("l1_miss", Keys(kEntries, 2), get);

  MemoryCache full(BytesFor(kEntries) / 2);
  Fill(full, keys);
  TimeEach("l1_put_evicting", Keys(kCalls, 3), [&](const CacheKey& key) { full.Put(key, kAnswer, kNow, kTtl); });
}

double ThreadSeconds() {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// Hits of `threads` threads at the same time, each going through the keys from a place of its own: the sum of what each
// had a second of its processor's time, so that what other programs took from it does not count.
double HitRate(const MemoryCache& cache, const std::vector<CacheKey>& keys, int threads) {
  std::atomic<bool> stop = false;
  std::vector<double> rates(static_cast<std::size_t>(threads));
  std::latch ready(threads + 1);
  std::vector<std::thread> running;
  for (int t = 0; t < threads; ++t)
    running.emplace_back([&, t] {
      std::size_t at = keys.size() * static_cast<std::size_t>(t) / static_cast<std::size_t>(threads), hits = 0;
      CachedAnswer found;
      ready.arrive_and_wait();
      const double begin = ThreadSeconds();
      while (!stop.load(std::memory_order_relaxed))
        for (int i = 0; i < 64; ++i) {
          hits += cache.Get(keys[at], kNow, found);
          at = at + 1 == keys.size() ? 0 : at + 1;
        }
      rates[static_cast<std::size_t>(t)] = static_cast<double>(hits) / (ThreadSeconds() - begin);
    });
  ready.arrive_and_wait();
  std::this_thread::sleep_for(std::chrono::milliseconds(250));
  stop = true;
  for (auto& thread : running) thread.join();
  return std::accumulate(rates.begin(), rates.end(), 0.0);
}

void Scaling() {
  const auto keys = Keys(kEntries, 1);
  MemoryCache cache(BytesFor(kEntries));
  Fill(cache, keys);
  std::vector<int> counts;
  for (int threads = 1; threads < UsableCores(); threads *= 2) counts.push_back(threads);
  counts.push_back(UsableCores());
  const std::pair<std::string, std::vector<CacheKey>> asked[] = {{"uniform", Shuffled(keys, kEntries)},
                                                                 {"one_key", {keys[0]}}};
  for (const auto& [name, from] : asked) {
    std::vector<double> best(counts.size(), 0);
    for (int round = 0; round < 6; ++round)
      for (std::size_t i = 0; i < counts.size(); ++i) best[i] = std::max(best[i], HitRate(cache, from, counts[i]));
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const std::string of = name + "_" + std::to_string(counts[i]) + "_threads";
      Report("l1_hits_per_s_" + of, best[i], "1/s", "higher");
      if (counts[i] > 1) Report("l1_scaling_" + of, best[i] / best[0], "x", "higher");
    }
  }
}

// Least recently used (or, without moving hits up: first in, first out), of as many entries.
class ListCache {
 public:
  ListCache(std::size_t capacity, bool hits_move_up) : capacity_(capacity), hits_move_up_(hits_move_up) {}
  bool GetOrPut(const CacheKey& key) {
    if (const auto found = index_.find(key); found != index_.end()) {
      if (hits_move_up_) queue_.splice(queue_.begin(), queue_, found->second);
      return true;
    }
    if (queue_.size() >= capacity_) {
      index_.erase(queue_.back());
      queue_.pop_back();
    }
    queue_.push_front(key);
    index_.emplace(key, queue_.begin());
    return false;
  }

 private:
  const std::size_t capacity_;
  const bool hits_move_up_;
  std::list<CacheKey> queue_;
  std::unordered_map<CacheKey, std::list<CacheKey>::iterator, CacheKeyHash> index_;
};

std::vector<CacheKey> ReadTrace(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<CacheKey> keys;
  for (std::uint64_t halves[2]; file.read(reinterpret_cast<char*>(halves), sizeof halves);)
    keys.push_back(KeyOf({halves[0], halves[1]}));
  return keys;
}

void HitRatio(const std::vector<CacheKey>& trace, std::size_t capacity) {
  // One shard that holds exactly so many: its capacity never grows by more than the bytes do.
  const std::size_t wanted = capacity * MemoryCache::Cost(kAnswer);
  std::size_t bytes = wanted;
  for (std::size_t has; (has = MemoryCache(bytes, 1).shard_capacity()) < wanted;) bytes += wanted - has;
  MemoryCache sieve(bytes, 1);
  ListCache lru(capacity, true), fifo(capacity, false);
  CachedAnswer found;
  double sieve_hits = 0, lru_hits = 0, fifo_hits = 0;
  for (const CacheKey& key : trace) {
    if (sieve.Get(key, kNow, found))
      ++sieve_hits;
    else
      sieve.Put(key, kAnswer, kNow, kTtl);
    lru_hits += lru.GetOrPut(key);
    fifo_hits += fifo.GetOrPut(key);
  }
  const auto count = static_cast<double>(trace.size());
  const std::string of = "_hit_ratio_at_" + std::to_string(capacity);
  Report("l1_sieve" + of, sieve_hits / count, "share", "higher");
  Report("l1_lru" + of, lru_hits / count, "share", "higher");
  Report("l1_fifo" + of, fifo_hits / count, "share", "higher");
}

int Main(const std::vector<std::string>& arguments) {
  std::vector<CacheKey> trace;
  std::vector<std::size_t> capacities;
  if (arguments.size() > 2 && arguments[0] == "--trace") trace = ReadTrace(arguments[1]);
  for (std::size_t i = 2; i < arguments.size(); ++i)
    capacities.push_back(std::strtoull(arguments[i].c_str(), nullptr, 10));
  if (!arguments.empty() && (trace.empty() || std::count(capacities.begin(), capacities.end(), 0u) > 0)) {
    std::fprintf(stderr, "usage: memory_cache_bench [--trace FILE CAPACITY...], a file with keys in it\n");
    return 2;
  }
  Memory();
  Latency();
  Scaling();
  for (const std::size_t capacity : capacities) HitRatio(trace, capacity);
  return 0;
}

}  // namespace
}  // namespace punctual

int main(int argc, char** argv) { return punctual::Main({argv + 1, argv + argc}); }
