#include "load/feed.h"

#include <algorithm>
#include <boost/json.hpp>
#include <chrono>
#include <deque>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "load/http_client.h"
#include "load/snapshot_json.h"
#include "load/text_table.h"

namespace punctual::load {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Steady = std::chrono::steady_clock;

constexpr std::size_t kMaxLines = 256;    // of one request: with 20 levels still far below the body limit of 1 MiB
constexpr std::size_t kMaxRequests = 16;  // pipelined
constexpr std::size_t kMaxBatch = 4096;   // books read ahead before they are published
constexpr auto kReplyTimeout = seconds(5);

// Symbols' names may hold characters that mean something else in a path.
std::string PathOf(std::string_view symbol) {
  constexpr char kHex[] = "0123456789ABCDEF";
  std::string path = "/v1/market/";
  for (const char c : symbol) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                       std::string_view("-._~:").find(c) != std::string_view::npos;
    if (plain)
      path += c;
    else
      path.append({'%', kHex[byte >> 4], kHex[byte & 15]});
  }
  return path;
}

// What the server says to a batch: how many lines it took, and what it has against the next one.
struct Outcome {
  std::size_t published = 0;
  std::string code, message;
};

Outcome ReadOutcome(const HttpReply& reply, std::size_t lines) {
  boost::system::error_code error;
  const boost::json::value body = boost::json::parse(reply.body, error);
  const boost::json::object* fields = error ? nullptr : body.if_object();
  const boost::json::value* problem = fields == nullptr ? nullptr : fields->if_contains("error");
  if (problem == nullptr) {
    if (reply.status >= 200 && reply.status < 300) return {.published = lines};
    return {.code = std::to_string(reply.status), .message = reply.body.substr(0, 200)};
  }
  Outcome outcome;
  if (const auto* count = fields->if_contains("published"); count != nullptr && count->is_number())
    outcome.published =
        std::min(static_cast<std::size_t>(std::max<std::int64_t>(count->to_number<std::int64_t>(error), 0)), lines);
  if (const auto* object = problem->if_object()) {
    if (const auto* code = object->if_contains("code"); code != nullptr && code->is_string())
      outcome.code = code->as_string();
    if (const auto* text = object->if_contains("message"); text != nullptr && text->is_string())
      outcome.message = text->as_string();
  }
  return outcome;
}

class Feed {
 public:
  Feed(const FeedOptions& options, const NextBook& next, const std::atomic<bool>& stop, Address address,
       const std::function<void(const FeedReport&)>& on_progress)
      : options_(options),
        next_(next),
        stop_(stop),
        on_progress_(on_progress),
        client_(std::move(address)),
        queues_(options.symbols.size()) {}

  Result<FeedReport> Run() {
    PUNCTUAL_TRY(ForgetSymbols());
    PUNCTUAL_TRY(Read());
    PUNCTUAL_TRY(Prefill());
    const TimePoint start = Steady::now();
    const TimePoint end = options_.duration > Duration{} ? start + options_.duration : TimePoint::max();
    progress_at_ = start + seconds(1);
    while (ahead_ && !stop_) {
      const TimePoint now = Steady::now();
      if (now >= end) break;
      report_.elapsed = now - start;
      TimePoint due = DueTime(start);
      std::size_t batch = 0;
      for (; ahead_ && due <= now && due < end && batch < kMaxBatch; ++batch) {
        Enqueue(due);
        PUNCTUAL_TRY(Read());
        if (ahead_) due = DueTime(start);
      }
      if (batch > 0) PUNCTUAL_TRY(Flush());
      if (now >= progress_at_) {
        progress_at_ += seconds(1);
        on_progress_(report_);
      }
      if (batch == 0) std::this_thread::sleep_until(std::min({due, end, now + milliseconds(100)}));
    }
    report_.elapsed = Steady::now() - start;
    return report_;
  }

 private:
  struct Line {
    std::string json;
    TimePoint due;  // of a prefilled book: the beginning of time
  };

  Result<void> Read() {
    PUNCTUAL_ASSIGN(ahead_, next_());
    return {};
  }

  TimePoint DueTime(TimePoint start) const {
    return start +
           Duration(static_cast<std::int64_t>(static_cast<double>((ahead_->at - base_).count()) / options_.speed));
  }

  void Enqueue(TimePoint due) {
    Line& line = queues_[ahead_->symbol].emplace_back(Line{.due = due});
    AppendSnapshotJson(line.json, ahead_->book);
    line.json += '\n';
  }

  Result<void> Prefill() {
    std::vector<std::size_t> had(queues_.size());
    std::size_t waiting = options_.prefill > 0 ? had.size() : 0;
    std::size_t batch = 0;
    while (waiting > 0 && ahead_ && !stop_) {
      if (++had[ahead_->symbol] == options_.prefill) --waiting;
      base_ = ahead_->at;
      Enqueue(TimePoint{});
      PUNCTUAL_TRY(Read());
      if (++batch % kMaxBatch == 0) PUNCTUAL_TRY(Flush());
    }
    PUNCTUAL_TRY(Flush());
    if (options_.prefill == 0 && ahead_) base_ = ahead_->at;
    return {};
  }

  Result<void> ForgetSymbols() {
    for (std::size_t first = 0; first < options_.symbols.size(); first += kMaxRequests) {
      const std::size_t end = std::min(first + kMaxRequests, options_.symbols.size());
      for (std::size_t i = first; i < end; ++i) client_.Add("DELETE", PathOf(options_.symbols[i]), "", "");
      PUNCTUAL_ASSIGN(const auto replies, client_.Exchange(kReplyTimeout));
      for (std::size_t i = 0; i < replies.size(); ++i) {
        const HttpReply& reply = replies[i];
        if (reply.status >= 300 && reply.status != 404) return Refusal(first + i, ReadOutcome(reply, 0));
      }
    }
    return {};
  }

  Error Refusal(std::size_t symbol, const Outcome& outcome) const {
    return Fail(Code::kInternal, options_.to + PathOf(options_.symbols[symbol]) +
                                     ": the server refuses it: " + outcome.code + ": " + outcome.message);
  }

  // Publishes everything that is queued, however many times the connection is lost.
  Result<void> Flush() {
    TimePoint patience_ends{};  // none lost yet
    milliseconds pause(10);
    for (;;) {
      std::vector<std::pair<std::size_t, std::size_t>> asked;  // symbol, lines
      for (std::size_t symbol = 0; symbol < queues_.size() && asked.size() < kMaxRequests; ++symbol)
        if (!queues_[symbol].empty()) asked.emplace_back(symbol, AddRequest(symbol));
      if (asked.empty()) return {};
      auto replies = client_.Exchange(kReplyTimeout);
      const bool away = replies.has_error() || std::any_of(replies->begin(), replies->end(),
                                                           [](const HttpReply& reply) { return reply.status == 503; });
      if (away) {
        const TimePoint now = Steady::now();
        if (patience_ends == TimePoint{}) {
          patience_ends = now + options_.patience;
          ++report_.reconnects;
        }
        if (stop_) return {};
        if (now >= patience_ends) {
          if (replies.has_error()) return std::move(replies).error();
          return Fail(Code::kUnavailable, options_.to + " is not available (503)");
        }
        std::this_thread::sleep_for(pause);
        pause = std::min(pause * 2, milliseconds(1000));
      }
      if (replies.has_error()) continue;
      for (std::size_t i = 0; i < asked.size(); ++i) {
        if ((*replies)[i].status == 503) continue;
        PUNCTUAL_TRY(Confirm(asked[i].first, asked[i].second, ReadOutcome((*replies)[i], asked[i].second)));
      }
    }
  }

  std::size_t AddRequest(std::size_t symbol) {
    std::string body;
    std::size_t lines = 0;
    for (const Line& line : queues_[symbol]) {
      if (lines == kMaxLines) break;
      body += line.json;
      ++lines;
    }
    client_.Add("POST", PathOf(options_.symbols[symbol]), "application/x-ndjson", body);
    return lines;
  }

  Result<void> Confirm(std::size_t symbol, std::size_t lines, const Outcome& outcome) {
    std::deque<Line>& queue = queues_[symbol];
    const TimePoint now = Steady::now();
    for (std::size_t i = 0; i < outcome.published; ++i) {
      if (queue.front().due != TimePoint{}) report_.delay.Record(now - queue.front().due);
      queue.pop_front();
    }
    report_.published += outcome.published;
    if (outcome.published == lines) return {};
    // An old sequence is what sending again after a lost connection leads to; anything else will not get better.
    if (outcome.code != "ALREADY_EXISTS" && outcome.code != "OUT_OF_RANGE") return Refusal(symbol, outcome);
    ++report_.refused;
    queue.pop_front();
    return {};
  }

  const FeedOptions& options_;
  const NextBook& next_;
  const std::atomic<bool>& stop_;
  const std::function<void(const FeedReport&)>& on_progress_;
  HttpClient client_;
  std::vector<std::deque<Line>> queues_;
  std::optional<FeedBook> ahead_;
  Duration base_{};
  TimePoint progress_at_{};
  FeedReport report_;
};

}  // namespace

std::string FeedText(const FeedReport& report) {
  const double seconds = static_cast<double>(report.elapsed.count()) / 1e9;
  std::string text = Fixed(seconds, seconds < 10 ? 2 : 0) + " s: " + Grouped(report.published) +
                     (report.published == 1 ? " book published" : " books published");
  // Of books that were all published at once nobody is late.
  if (report.delay.count() > 0)
    text += ", p99 " + Fixed(Milliseconds(report.delay.Quantile(0.99)), 2) + " ms after they were due";
  if (report.refused > 0) text += ", " + Grouped(report.refused) + " refused";
  if (report.reconnects > 0) text += ", " + Grouped(report.reconnects) + " times the server was away";
  return text;
}

Result<FeedReport> RunFeed(const FeedOptions& options, const NextBook& next, const std::atomic<bool>& stop,
                           const std::function<void(const FeedReport&)>& on_progress) {
  if (!(options.speed > 0)) return Fail(Code::kInvalidArgument, "--speed: must be above 0");
  PUNCTUAL_ASSIGN(Address address, ParseAddress(options.to));
  return Feed(options, next, stop, std::move(address), on_progress).Run();
}

}  // namespace punctual::load
