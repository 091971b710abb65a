// Publishes order books to a server at the pace they came in, or faster: POST /v1/market/SYMBOL with a line of JSON a
// book.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/histogram.h"
#include "punctual/market.h"
#include "punctual/prediction.h"
#include "punctual/result.h"

namespace punctual::load {

struct FeedBook {
  std::size_t symbol = 0;  // index into FeedOptions::symbols
  Duration at{};           // on the source's own clock, from any beginning; not falling
  BookSnapshot book;
};

// The next book of the source; nothing at its end.
using NextBook = std::function<Result<std::optional<FeedBook>>()>;

struct FeedOptions {
  std::string to = "http://127.0.0.1:8080";
  std::vector<std::string> symbols;
  double speed = 1;         // 2: twice as quick as the source
  Duration duration{};      // of the paced part; 0: until the source ends
  std::size_t prefill = 0;  // published at once, before the paced part begins: until every symbol had so many books
  Duration patience = std::chrono::seconds(30);  // how long the server may be away, once it was there
};

struct FeedReport {
  std::uint64_t published = 0;
  std::uint64_t refused = 0;  // their sequence was the newest one's or older
  std::uint64_t reconnects = 0;
  Histogram delay;     // of the paced books: from when one was due until the server had confirmed it
  Duration elapsed{};  // of the paced part
};

// A line for people.
std::string FeedText(const FeedReport& report);

// Blocks until the source ends, `duration` has passed or `stop` is true. Drops what the server had of the symbols
// first, so that a feed can start again at any sequence. A lost connection is opened again, and what was not confirmed
// is sent again. `on_progress` is called about once a second on the calling thread. kUnavailable: no connection; the
// server's own error for a book or a symbol that it does not take; errors of `next`.
Result<FeedReport> RunFeed(const FeedOptions& options, const NextBook& next, const std::atomic<bool>& stop,
                           const std::function<void(const FeedReport&)>& on_progress);

}  // namespace punctual::load
