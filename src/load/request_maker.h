// The requests' bytes. What a request carries is made ahead of time, so that sending one costs little more than the
// send: books and numbers stand once as text, and a body's content is a run of that text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "load/address.h"
#include "load/options.h"
#include "punctual/market.h"

namespace punctual::load {

// JSON values joined by commas, of which any run can be taken without a copy. Immutable after the last Add.
class JsonRuns {
 public:
  // Whoever adds a value appends it to text() first.
  std::string& text() { return text_; }
  void Add();  // ends the value
  std::size_t size() const { return ends_.size() - 1; }
  // Values first ... first + count - 1. REQUIRES: count > 0, first + count <= size().
  std::string_view Run(std::size_t first, std::size_t count) const {
    return std::string_view(text_).substr(ends_[first], ends_[first + count] - ends_[first] - 1);
  }

 private:
  std::string text_;
  std::vector<std::size_t> ends_ = {0};  // behind each value's comma
};

// Immutable after Make; thread-safe.
class RequestMaker {
 public:
  // kInvalidArgument: options that do not go together, naming the option; errors of the market file.
  static Result<RequestMaker> Make(const LoadOptions& options, const Address& address);

  // A request is `head` (written anew), then `content`, then tail().
  // `at`: when it is due, from the run's start: what a symbol's content is at that time.
  std::string_view Content(std::size_t symbol, Duration at) const;
  void WriteHead(std::size_t user, std::size_t symbol, std::size_t content_size, std::string& head) const;
  std::string_view tail() const { return tail_; }

 private:
  Result<void> MakeContent(const LoadOptions& options);
  void MakeNumbers(const LoadOptions& options, std::size_t count);
  Result<void> MakeBooks(const LoadOptions& options);
  void AddBooks(const std::vector<BookSnapshot>& books);

  std::string http_head_;                  // up to and with "Content-Length: "
  std::vector<std::string> user_parts_;    // one a user: how the body begins
  std::vector<std::string> symbol_parts_;  // one a symbol: what follows
  std::string tail_;
  std::vector<JsonRuns> runs_;  // none, one for all symbols, or one a symbol
  std::size_t run_length_ = 0;
  double tick_hz_ = 0;
};

}  // namespace punctual::load
