#include "market/market.h"

#include <algorithm>

namespace punctual {
namespace {

constexpr std::size_t kMaxSymbolLength = 64;

bool IsSymbolCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("._:/-").find(c) != std::string_view::npos;
}

Error NotPublished(std::string_view symbol) {
  // What cannot be a symbol is not repeated: it may be long, and need not be text.
  return Fail(Code::kNotFound, ValidateSymbol(symbol).has_value()
                                   ? "symbol: nothing was published for \"" + std::string(symbol) + "\""
                                   : "symbol: nothing was published for it");
}

}  // namespace

Result<void> ValidateSymbol(std::string_view symbol) {
  if (symbol.empty() || symbol.size() > kMaxSymbolLength ||
      !std::all_of(symbol.begin(), symbol.end(), IsSymbolCharacter))
    return Fail(Code::kInvalidArgument,
                "symbol: must be 1 to " + std::to_string(kMaxSymbolLength) + " letters, digits and \"._:/-\"");
  return {};
}

Result<void> SymbolState::Append(const BookSnapshot& book, TimePoint arrived) {
  MutexLock lock(mutex_);
  if (count_ > 0) {
    const std::uint64_t newest = block_->snapshots[count_ - 1].book.sequence;
    if (book.sequence == newest)
      return Fail(Code::kAlreadyExists, "seq: " + std::to_string(newest) + " was published before");
    if (book.sequence < newest)
      return Fail(Code::kOutOfRange,
                  "seq: " + std::to_string(book.sequence) + " comes before the newest one, " + std::to_string(newest));
  }
  if (!block_ || count_ == history_) {
    // Windows that were taken hold on to the block that goes; nobody writes into a full block again.
    auto next = std::make_shared<SnapshotBlock>(history_);
    previous_ = std::move(block_);
    block_ = std::move(next);
    count_ = 0;
  }
  StoredSnapshot& stored = block_->snapshots[count_];  // beyond what any window taken so far can see
  stored.book = book;
  if (stored.book.receive_time_ns == 0) stored.book.receive_time_ns = UnixTimeNs();
  stored.digest = DigestOf(book);
  stored.arrived = arrived;
  ++count_;
  window_.Set(Window(previous_, block_, count_));
  return {};
}

Market::Market(MarketOptions options, const Clock& clock)
    : options_(options), clock_(clock), states_(std::make_shared<const States>()) {}

std::shared_ptr<SymbolState> Market::Find(std::string_view symbol) const {
  const auto states = states_.Get();
  const auto found = states->find(symbol);
  return found == states->end() ? nullptr : found->second;
}

Result<std::shared_ptr<SymbolState>> Market::FindOrAdd(std::string_view symbol) {
  if (auto state = Find(symbol)) return state;
  PUNCTUAL_TRY(ValidateSymbol(symbol));
  MutexLock lock(mutex_);
  if (auto state = Find(symbol)) return state;  // another feed was quicker
  const auto states = states_.Get();
  if (states->size() >= options_.symbols)
    return Fail(Code::kResourceExhausted, "symbol: " + std::to_string(options_.symbols) +
                                              " symbols have a state, which is the configured bound; forget one or "
                                              "raise market.symbols");
  auto state = std::make_shared<SymbolState>(options_.history);
  auto more = std::make_shared<States>(*states);
  more->emplace(symbol, state);
  states_.Set(std::move(more));
  return state;
}

Result<void> Market::Publish(std::string_view symbol, const BookSnapshot& book, TimePoint arrived) {
  PUNCTUAL_TRY(Validate(book));
  PUNCTUAL_ASSIGN(const auto state, FindOrAdd(symbol));
  const TimePoint now = clock_.Now();
  PUNCTUAL_TRY(state->Append(book, arrived == TimePoint{} ? now : std::min(arrived, now)));
  snapshots_.fetch_add(1, std::memory_order_relaxed);
  return {};
}

Result<void> Market::Forget(std::string_view symbol) {
  MutexLock lock(mutex_);
  const auto states = states_.Get();
  const auto found = states->find(symbol);
  if (found == states->end()) return NotPublished(symbol);
  auto fewer = std::make_shared<States>(*states);
  fewer->erase(found->first);
  states_.Set(std::move(fewer));
  return {};
}

Result<Window> Market::Take(std::string_view symbol) const {
  if (const auto state = Find(symbol)) {
    // A feed that just added the symbol may not have appended yet.
    if (Window window = state->Take(); !window.empty()) return window;
  }
  return NotPublished(symbol);
}

std::vector<std::string> Market::Symbols() const {
  const auto states = states_.Get();
  std::vector<std::string> names;
  names.reserve(states->size());
  for (const auto& [name, state] : *states) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace punctual
