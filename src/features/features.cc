#include "features/features.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <string_view>

namespace punctual {
namespace {

constexpr int kMaxReturn = 1000;
constexpr int kMaxWindow = 10'000;
constexpr std::size_t kLevels = kMaxBookLevels;
constexpr double kBasisPoints = 1e4;

// A row's values stand in one array of slots: kLevels for each of these groups, then the scalars, then the returns.
// Each value is computed once a row, whatever the number of columns made from it, and a column is one slot.
enum Group : std::uint32_t {
  kAskPrice,
  kAskSize,
  kBidPrice,
  kBidSize,
  kAskBp,
  kBidBp,
  kAskShare,
  kBidShare,
  kImbalance,
  kOfi,
  kGroupCount
};
enum Scalar : std::size_t { kMid, kSpread, kMidBp, kSpreadBp, kMicropriceBp, kScalarCount };
constexpr std::size_t kScalarSlot = kGroupCount * kLevels;
constexpr std::size_t kReturnSlot = kScalarSlot + kScalarCount;
constexpr std::size_t kSlotCount = kReturnSlot + kMaxReturn;
using RowValues = std::array<double, kSlotCount>;

constexpr std::array<std::string_view, kGroupCount> kGroupPrefixes = {
    "ask_price_", "ask_size_",  "bid_price_", "bid_size_",  "ask_bp_",
    "bid_bp_",    "ask_share_", "bid_share_", "imbalance_", "ofi_"};
constexpr std::array<std::string_view, kScalarCount> kScalarNames = {"mid", "spread", "mid_bp", "spread_bp",
                                                                     "microprice_bp"};
constexpr std::string_view kReturnPrefix = "return_", kReturnSuffix = "_bp";

// A whole number without sign or leading zero, so that each column has one name.
std::optional<int> ParseIndex(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text[0] == '-' || text[0] == '0') return std::nullopt;
  return value;
}

std::string Quoted(std::string_view name) { return "\"" + std::string(name) + "\""; }

// The same number as BookSnapshot::mid(), and finite whatever the prices.
double Mid(const BookSnapshot& book) { return book.levels[0].ask_price / 2 + book.levels[0].bid_price / 2; }

// Sums of sizes over levels 1..k at [k - 1].
struct Depth {
  std::array<double, kLevels> ask;
  std::array<double, kLevels> bid;
};

void SumDepth(const BookSnapshot& book, std::size_t levels, Depth& depth) {
  double ask = 0, bid = 0;
  for (std::size_t i = 0; i < levels; ++i) {
    depth.ask[i] = ask += book.levels[i].ask_size;
    depth.bid[i] = bid += book.levels[i].bid_size;
  }
  // A sum that no double holds must not hide behind a division by it: what is made from it becomes NaN, and is refused.
  if (!std::isfinite(ask + bid)) depth.ask.fill(std::numeric_limits<double>::quiet_NaN());
}

void FillLevels(const BookSnapshot& book, std::size_t levels, double newest_mid, const Depth& depth,
                std::uint32_t groups, double* values) {
  const auto uses = [&](std::uint32_t a, std::uint32_t b) { return (groups & (1u << a | 1u << b)) != 0; };
  if (uses(kAskPrice, kBidPrice))
    for (std::size_t i = 0; i < levels; ++i) {
      values[kAskPrice * kLevels + i] = book.levels[i].ask_price;
      values[kBidPrice * kLevels + i] = book.levels[i].bid_price;
    }
  if (uses(kAskSize, kBidSize))
    for (std::size_t i = 0; i < levels; ++i) {
      values[kAskSize * kLevels + i] = book.levels[i].ask_size;
      values[kBidSize * kLevels + i] = book.levels[i].bid_size;
    }
  if (uses(kAskBp, kBidBp)) {
    const double inverse = 1 / newest_mid;
    for (std::size_t i = 0; i < levels; ++i) {
      values[kAskBp * kLevels + i] = (book.levels[i].ask_price * inverse - 1) * kBasisPoints;
      values[kBidBp * kLevels + i] = (book.levels[i].bid_price * inverse - 1) * kBasisPoints;
    }
  }
  if (uses(kAskShare, kBidShare)) {
    const double inverse = 1 / (depth.ask[levels - 1] + depth.bid[levels - 1]);
    for (std::size_t i = 0; i < levels; ++i) {
      values[kAskShare * kLevels + i] = book.levels[i].ask_size * inverse;
      values[kBidShare * kLevels + i] = book.levels[i].bid_size * inverse;
    }
  }
  if (uses(kImbalance, kImbalance))
    for (std::size_t i = 0; i < levels; ++i)
      values[kImbalance * kLevels + i] = (depth.bid[i] - depth.ask[i]) / (depth.bid[i] + depth.ask[i]);
}

void FillOfi(const BookSnapshot& book, const Depth& depth, const BookSnapshot& before, const Depth& depth_before,
             std::size_t levels, double* values) {
  double flow = 0;
  for (std::size_t i = 0; i < levels; ++i) {
    const BookLevel& now = book.levels[i];
    const BookLevel& then = before.levels[i];
    flow += now.bid_price >= then.bid_price ? now.bid_size : 0;
    flow -= now.bid_price <= then.bid_price ? then.bid_size : 0;
    flow -= now.ask_price <= then.ask_price ? now.ask_size : 0;
    flow += now.ask_price >= then.ask_price ? then.ask_size : 0;
    const double both = depth.ask[i] + depth.bid[i] + depth_before.ask[i] + depth_before.bid[i];
    values[kOfi * kLevels + i] = flow / (both / 2);
  }
}

void FillScalars(const BookSnapshot& book, double newest_mid, double* values) {
  const BookLevel& best = book.levels[0];
  const double mid = Mid(book);
  const double spread = best.ask_price - best.bid_price;
  const double microprice =
      (best.ask_price * best.bid_size + best.bid_price * best.ask_size) / (best.ask_size + best.bid_size);
  values[kScalarSlot + kMid] = mid;
  values[kScalarSlot + kSpread] = spread;
  values[kScalarSlot + kMidBp] = (mid / newest_mid - 1) * kBasisPoints;
  values[kScalarSlot + kSpreadBp] = spread / mid * kBasisPoints;
  values[kScalarSlot + kMicropriceBp] = (microprice / mid - 1) * kBasisPoints;
}

Result<void> CheckConstants(const std::vector<double>& values, const char* field, std::size_t columns, bool positive) {
  const std::string name = std::string("features.") + field;
  if (!values.empty() && values.size() != columns)
    return Fail(Code::kInvalidArgument, name + ": there are " + std::to_string(columns) + " columns and " +
                                            std::to_string(values.size()) + " values; give one a column, or none");
  for (std::size_t i = 0; i < values.size(); ++i)
    if (!std::isfinite(values[i]) || (positive && values[i] <= 0))
      return Fail(Code::kInvalidArgument,
                  name + "[" + std::to_string(i) + "]: must be a finite number" + (positive ? " above 0" : ""));
  return {};
}

}  // namespace

Result<void> FeaturePlan::AddColumn(const std::string& name) {
  const std::string field = "features.columns[" + std::to_string(columns_.size()) + "]: ";
  const auto add = [&](std::size_t slot) {
    columns_.push_back({.slot = slot});
    names_.push_back(name);
    return Result<void>();
  };
  for (std::size_t scalar = 0; scalar < kScalarCount; ++scalar)
    if (name == kScalarNames[scalar]) return add(kScalarSlot + scalar);

  const std::string_view text = name;
  for (std::uint32_t group = 0; group < kGroupCount; ++group) {
    if (!text.starts_with(kGroupPrefixes[group])) continue;
    const auto index = ParseIndex(text.substr(kGroupPrefixes[group].size()));
    if (!index) break;
    if (*index > levels_)
      return Fail(Code::kInvalidArgument,
                  field + Quoted(name) + " is beyond features.levels, which is " + std::to_string(levels_));
    groups_ |= 1u << group;
    if (group == kOfi) history_ = std::max(history_, static_cast<std::size_t>(window_) + 1);
    return add(group * kLevels + static_cast<std::size_t>(*index - 1));
  }
  if (text.size() > kReturnPrefix.size() + kReturnSuffix.size() && text.starts_with(kReturnPrefix) &&
      text.ends_with(kReturnSuffix)) {
    const auto back =
        ParseIndex(text.substr(kReturnPrefix.size(), text.size() - kReturnPrefix.size() - kReturnSuffix.size()));
    if (back && *back > kMaxReturn)
      return Fail(Code::kInvalidArgument,
                  field + Quoted(name) + " looks back further than " + std::to_string(kMaxReturn) + " snapshots");
    if (back) {
      if (std::find(returns_.begin(), returns_.end(), *back) == returns_.end()) returns_.push_back(*back);
      history_ = std::max(history_, static_cast<std::size_t>(window_ + *back));
      return add(kReturnSlot + static_cast<std::size_t>(*back - 1));
    }
  }
  std::string known;
  for (const auto prefix : kGroupPrefixes) known += std::string(prefix) + "N, ";
  for (const auto scalar : kScalarNames) known += std::string(scalar) + ", ";
  return Fail(Code::kInvalidArgument,
              field + "unknown column " + Quoted(name) + "; there are " + known + "return_N_bp (N from 1)");
}

Result<FeaturePlan> FeaturePlan::Make(const FeatureSpec& spec) {
  FeaturePlan plan;
  if (spec.window < 1 || spec.window > kMaxWindow)
    return Fail(Code::kInvalidArgument, "features.window: must be 1 to " + std::to_string(kMaxWindow));
  if (spec.levels < 1 || spec.levels > kMaxBookLevels)
    return Fail(Code::kInvalidArgument, "features.levels: must be 1 to " + std::to_string(kMaxBookLevels));
  if (spec.columns.empty()) return Fail(Code::kInvalidArgument, "features.columns: there must be at least one");
  if (!(spec.clip >= 0 && spec.clip <= std::numeric_limits<float>::max()))
    return Fail(Code::kInvalidArgument, "features.clip: must be a finite number, 0 (not cut) or above");
  PUNCTUAL_TRY(CheckConstants(spec.mean, "mean", spec.columns.size(), false));
  PUNCTUAL_TRY(CheckConstants(spec.std, "std", spec.columns.size(), true));

  plan.window_ = spec.window;
  plan.levels_ = spec.levels;
  plan.clip_ = spec.clip;
  plan.history_ = static_cast<std::size_t>(spec.window);
  for (std::size_t i = 0; i < spec.columns.size(); ++i) {
    PUNCTUAL_TRY(plan.AddColumn(spec.columns[i]));
    if (!spec.mean.empty()) plan.columns_[i].mean = spec.mean[i];
    if (!spec.std.empty()) plan.columns_[i].scale = 1 / spec.std[i];
  }
  return plan;
}

Error FeaturePlan::NotFinite(std::span<const double> values, double limit, const StoredSnapshot& snapshot) const {
  std::string name;
  for (std::size_t i = 0; i < columns_.size() && name.empty(); ++i) {
    const Output& column = columns_[i];
    if (!(std::abs((values[column.slot] - column.mean) * column.scale) <= limit)) name = names_[i];
  }
  return Fail(Code::kInvalidArgument, "market: column " + Quoted(name) +
                                          " is not a finite number for the book of sequence " +
                                          std::to_string(snapshot.book.sequence));
}

Result<void> FeaturePlan::Compute(const Window& window, std::span<float> out) const {
  assert(out.size() == static_cast<std::size_t>(window_) * columns_.size());
  if (window.size() < history_)
    return Fail(Code::kFailedPrecondition, "market: the model needs " + std::to_string(history_) +
                                               " snapshots, there are " + std::to_string(window.size()) + " so far");
  for (std::size_t back = 0; back < history_; ++back)
    if (const BookSnapshot& book = window.FromNewest(back).book; book.level_count < levels_)
      return Fail(Code::kFailedPrecondition, "market: the model needs " + std::to_string(levels_) +
                                                 " levels, the book of sequence " + std::to_string(book.sequence) +
                                                 " has " + std::to_string(book.level_count));

  const auto levels = static_cast<std::size_t>(levels_);
  const bool needs_ofi = (groups_ & 1u << kOfi) != 0;
  const double newest_mid = Mid(window.newest().book);
  // Without a cut, what no float holds is refused; with one it is cut, but an infinity or a NaN still is a fault.
  const double cut = clip_ > 0 ? clip_ : static_cast<double>(std::numeric_limits<float>::max());
  const double limit = clip_ > 0 ? std::numeric_limits<double>::max() : cut;

  RowValues values;  // only the slots that a column reads are written
  std::array<Depth, 2> depths;
  if (needs_ofi) SumDepth(window.FromNewest(static_cast<std::size_t>(window_)).book, levels, depths[1]);
  float* to = out.data();
  for (auto back = static_cast<std::size_t>(window_); back-- > 0;) {
    const StoredSnapshot& snapshot = window.FromNewest(back);
    const BookSnapshot& book = snapshot.book;
    SumDepth(book, levels, depths[0]);
    FillLevels(book, levels, newest_mid, depths[0], groups_, values.data());
    FillScalars(book, newest_mid, values.data());
    if (needs_ofi) {
      FillOfi(book, depths[0], window.FromNewest(back + 1).book, depths[1], levels, values.data());
      depths[1] = depths[0];
    }
    for (const int k : returns_) {
      const auto steps = static_cast<std::size_t>(k);
      values[kReturnSlot + steps - 1] = (Mid(book) / Mid(window.FromNewest(back + steps).book) - 1) * kBasisPoints;
    }
    bool finite = true;
    for (const Output& column : columns_) {
      const double value = (values[column.slot] - column.mean) * column.scale;
      finite &= std::abs(value) <= limit;
      *to++ = static_cast<float>(std::min(std::max(value, -cut), cut));
    }
    if (!finite) return NotFinite(values, limit, snapshot);
  }
  return {};
}

}  // namespace punctual
