#include "load/request_maker.h"

#include <charconv>
#include <cmath>
#include <numbers>
#include <random>

#include "load/books.h"
#include "load/schedule.h"
#include "load/snapshot_json.h"

namespace punctual::load {

namespace {

// How many different tensors there are before they repeat: 100 symbols at 10 Hz take 262 s to use them up.
constexpr std::uint64_t kTensorStarts = 1u << 18;
// Books kept a symbol; at 10 Hz they repeat after 205 s.
constexpr std::size_t kMaxBooks = 2048;

std::string ShapeJson(const std::vector<std::int64_t>& shape) {
  std::string text;
  for (const std::int64_t dimension : shape) text += (text.empty() ? "[" : ",") + std::to_string(dimension);
  return text + "]";
}

std::string Quoted(std::string_view text) {
  std::string json;
  AppendJsonString(json, text);
  return json;
}

Error Bad(const std::string& what) { return Fail(Code::kInvalidArgument, what); }

Result<std::size_t> Elements(const std::vector<std::int64_t>& shape) {
  std::int64_t count = shape.empty() ? 0 : 1;
  for (const std::int64_t dimension : shape)
    count = dimension < 1 || dimension > 1'000'000 || count > 1'000'000 ? -1 : count * dimension;
  if (count < 1 || count > 1'000'000) return Bad("--shape: must have 1 to 1000000 elements, for instance 1,128");
  return static_cast<std::size_t>(count);
}

std::string RequestPath(const LoadOptions& options) {
  switch (options.api) {
    case Api::kPunctual: return "/v1/predict";
    case Api::kAdr: return "/predict";
    case Api::kOip: return "/v2/models/" + options.model + "/infer";
  }
  return {};
}

// How the body ends, behind its content.
std::string Tail(const LoadOptions& options) {
  if (options.kind == RequestKind::kSymbol) return "}";
  if (options.api == Api::kOip) return "]}]}";
  return options.kind == RequestKind::kTensors && options.api == Api::kPunctual ? "]}}" : "]}";
}

Result<void> CheckOptions(const LoadOptions& options) {
  if (options.users.empty()) return Bad("users: there must be at least one");
  if (options.symbols.empty()) return Bad("symbols: there must be at least one");
  if (options.api != Api::kPunctual && options.kind != RequestKind::kTensors)
    return Bad("--kind: this API takes tensors only; add --kind tensors");
  if (options.model.empty() && options.kind == RequestKind::kTensors && options.api != Api::kAdr)
    return Bad("--model: a request with tensors names its model");
  if (options.window < 1 || options.window > 1000) return Bad("--window: must be 1 to 1000 books");
  if (!(options.tick_hz > 0)) return Bad("--tick-hz: must be above 0");
  return {};
}

}  // namespace

void JsonRuns::Add() {
  text_ += ',';
  ends_.push_back(text_.size());
}

Result<RequestMaker> RequestMaker::Make(const LoadOptions& options, const Address& address) {
  PUNCTUAL_TRY(CheckOptions(options));
  RequestMaker maker;
  maker.tick_hz_ = options.tick_hz;
  maker.http_head_ = "POST " + RequestPath(options) + " HTTP/1.1\r\nHost: " + address.host +
                     "\r\nContent-Type: application/json\r\nContent-Length: ";
  for (const User& user : options.users)
    maker.user_parts_.push_back(options.api == Api::kOip ? "{" : "{\"user\":" + Quoted(user.name) + ",");

  const std::string model = options.model.empty() ? "" : "\"model\":" + Quoted(options.model) + ",";
  for (const std::string& symbol : options.symbols) {
    const std::string named = "\"symbol\":" + Quoted(symbol);
    if (options.api == Api::kAdr) {
      maker.symbol_parts_.push_back(named + ",\"features\":[");
    } else if (options.api == Api::kOip) {
      maker.symbol_parts_.push_back("\"inputs\":[{\"name\":" + Quoted(options.input) +
                                    ",\"datatype\":\"FP32\",\"shape\":" + ShapeJson(options.shape) + ",\"data\":[");
    } else if (options.kind == RequestKind::kTensors) {
      maker.symbol_parts_.push_back(model + "\"inputs\":{" + Quoted(options.input) + ":[");
    } else if (options.kind == RequestKind::kSnapshot) {
      maker.symbol_parts_.push_back(model + named + ",\"market\":[");
    } else {
      maker.symbol_parts_.push_back(model + named);
    }
  }
  maker.tail_ = Tail(options);
  PUNCTUAL_TRY(maker.MakeContent(options));
  return maker;
}

Result<void> RequestMaker::MakeContent(const LoadOptions& options) {
  if (options.kind == RequestKind::kTensors) {
    PUNCTUAL_ASSIGN(run_length_, Elements(options.shape));
    MakeNumbers(options, kTensorStarts + run_length_ - 1);
  } else if (options.kind == RequestKind::kSnapshot) {
    run_length_ = static_cast<std::size_t>(options.window);
    PUNCTUAL_TRY(MakeBooks(options));
  }
  return {};
}

void RequestMaker::MakeNumbers(const LoadOptions& options, std::size_t count) {
  std::mt19937_64 random(options.seed);
  JsonRuns& runs = runs_.emplace_back();
  for (std::size_t i = 0; i < count; ++i) {
    // Box and Muller's normal numbers, to four digits.
    const double radius = std::sqrt(-2 * std::log1p(-UnitInterval(random())));
    const double value = radius * std::cos(2 * std::numbers::pi * UnitInterval(random()));
    char digits[32];
    runs.text().append(digits, std::to_chars(digits, digits + sizeof digits, value, std::chars_format::fixed, 4).ptr);
    runs.Add();
  }
}

Result<void> RequestMaker::MakeBooks(const LoadOptions& options) {
  const double total_s = static_cast<double>((options.warmup + options.duration).count()) / 1e9;
  const double ticks = std::min(total_s * options.tick_hz + 2, static_cast<double>(kMaxBooks));
  const std::size_t count = static_cast<std::size_t>(ticks) + run_length_;
  if (!options.market_file.empty()) {
    PUNCTUAL_ASSIGN(const auto books, ReadBooks(options.market_file, count));
    if (books.size() < run_length_)
      return Bad(options.market_file + ": has " + std::to_string(books.size()) + " books, --window takes " +
                 std::to_string(run_length_));
    AddBooks(books);
    return {};
  }
  PUNCTUAL_ASSIGN(const auto symbols, SimulateBooks(options.symbols.size(), options.tick_hz, options.seed, count));
  for (const auto& books : symbols) AddBooks(books);
  return {};
}

void RequestMaker::AddBooks(const std::vector<BookSnapshot>& books) {
  JsonRuns& runs = runs_.emplace_back();
  for (const BookSnapshot& book : books) {
    AppendSnapshotJson(runs.text(), book);
    runs.Add();
  }
}

std::string_view RequestMaker::Content(std::size_t symbol, Duration at) const {
  if (runs_.empty()) return {};
  // Symbols tick one after the other, not all at once.
  const double phase = static_cast<double>(symbol) / static_cast<double>(symbol_parts_.size());
  std::uint64_t index = static_cast<std::uint64_t>(static_cast<double>(at.count()) / 1e9 * tick_hz_ + phase);
  const bool shared = runs_.size() == 1;
  if (shared) index = index * symbol_parts_.size() + symbol;
  const JsonRuns& runs = runs_[shared ? 0 : symbol];
  return runs.Run(index % (runs.size() - run_length_ + 1), run_length_);
}

void RequestMaker::WriteHead(std::size_t user, std::size_t symbol, std::size_t content_size, std::string& head) const {
  const std::string& user_part = user_parts_[user];
  const std::string& symbol_part = symbol_parts_[symbol];
  char digits[20];
  const std::size_t size = user_part.size() + symbol_part.size() + content_size + tail_.size();
  head.assign(http_head_)
      .append(digits, std::to_chars(digits, digits + sizeof digits, size).ptr)
      .append("\r\n\r\n")
      .append(user_part)
      .append(symbol_part);
}

}  // namespace punctual::load
