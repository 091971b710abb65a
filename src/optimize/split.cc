#include "optimize/split.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>
#include <vector>

namespace punctual::optimize {
namespace {

constexpr std::array kNames = {"fit", "search", "held_out"};

// Where each part of `count` samples ends.
std::array<std::size_t, 3> Ends(std::size_t count, const std::array<double, 3>& shares) {
  const double sum = shares[0] + shares[1] + shares[2], all = static_cast<double>(count);
  return {static_cast<std::size_t>(all * (shares[0] / sum)),
          static_cast<std::size_t>(all * ((shares[0] + shares[1]) / sum)), count};
}

// How many samples a symbol must have, if they stand as densely as they do.
std::size_t Needed(const SplitOptions& options, std::size_t gap_samples) {
  const double sum = options.shares[0] + options.shares[1] + options.shares[2];
  double needed = 0;
  for (std::size_t part = 0; part < options.shares.size(); ++part) {
    const std::size_t samples = options.least + (part > 0 ? gap_samples : 0);
    needed = std::max(needed, std::ceil(static_cast<double>(samples) / (options.shares[part] / sum)));
  }
  return static_cast<std::size_t>(needed) + 1;  // ends are rounded
}

Error TooSmall(const Samples& samples, std::span<const std::size_t> of, std::size_t part, std::size_t size,
               const SplitOptions& options) {
  const std::string& symbol = samples.symbols[samples.symbol[of.front()]];
  const std::uint64_t span = samples.snapshot[of.back()] - samples.snapshot[of.front()] + 1;
  const double per_sample = static_cast<double>(span) / static_cast<double>(of.size());
  const auto gap_samples = static_cast<std::size_t>(static_cast<double>(options.gap - 1) / per_sample);
  return Fail(Code::kFailedPrecondition,
              "samples: " + (symbol.empty() ? "" : symbol + ": ") + "the part " + kNames[part] + " would have " +
                  std::to_string(size) + ", it takes " + std::to_string(options.least) + "; there are " +
                  std::to_string(of.size()) + " in all, it takes about " +
                  std::to_string(Needed(options, gap_samples)) + " with a gap of " + std::to_string(options.gap) +
                  " snapshots between parts; record more" + (symbol.empty() ? "" : ", or leave this symbol out"));
}

// Of one symbol, `of` its samples.
Result<void> Split(const Samples& samples, std::span<const std::size_t> of, const SplitOptions& options, Parts& parts) {
  const std::array<std::vector<std::size_t>*, 3> into = {&parts.fit, &parts.search, &parts.held_out};
  const auto ends = Ends(of.size(), options.shares);
  std::size_t begin = 0;
  for (std::size_t part = 0; part < into.size(); ++part) {
    if (part > 0)
      while (begin < ends[part] && samples.snapshot[of[begin]] - samples.snapshot[of[ends[part - 1] - 1]] < options.gap)
        ++begin;
    const std::size_t size = ends[part] - begin;
    if (size < options.least) return TooSmall(samples, of, part, size, options);
    into[part]->insert(into[part]->end(), of.begin() + static_cast<std::ptrdiff_t>(begin),
                       of.begin() + static_cast<std::ptrdiff_t>(ends[part]));
    begin = ends[part];
  }
  return {};
}

Result<void> CheckOptions(const SplitOptions& options) {
  for (std::size_t part = 0; part < options.shares.size(); ++part)
    if (!std::isfinite(options.shares[part]) || options.shares[part] <= 0)
      return Fail(Code::kInvalidArgument, std::string("shares: that of ") + kNames[part] + " must be above 0");
  if (options.least == 0) return Fail(Code::kInvalidArgument, "least: a part must have 1 sample at least");
  if (options.gap == 0) return Fail(Code::kInvalidArgument, "gap: must be 1 snapshot at least");
  return {};
}

Result<std::vector<std::vector<std::size_t>>> BySymbol(const Samples& samples) {
  std::vector<std::vector<std::size_t>> by_symbol(samples.symbols.size());
  for (std::size_t i = 0; i < samples.count(); ++i) {
    std::vector<std::size_t>& of = by_symbol[samples.symbol[i]];
    if (!of.empty() &&
        (samples.snapshot[i] <= samples.snapshot[of.back()] || samples.time_ns[i] < samples.time_ns[of.back()]))
      return Fail(Code::kInvalidArgument, "samples: sample " + std::to_string(i) + " is earlier than sample " +
                                              std::to_string(of.back()) + "; they must be in the order of time");
    of.push_back(i);
  }
  return by_symbol;
}

}  // namespace

Result<Parts> SplitByTime(const Samples& samples, const SplitOptions& options) {
  PUNCTUAL_TRY(CheckOptions(options));
  if (samples.count() == 0) return Fail(Code::kFailedPrecondition, "samples: there are none");
  PUNCTUAL_ASSIGN(const auto by_symbol, BySymbol(samples));
  Parts parts;
  for (const auto& of : by_symbol)
    if (!of.empty()) PUNCTUAL_TRY(Split(samples, of, options, parts));
  for (auto* part : {&parts.fit, &parts.search, &parts.held_out}) std::sort(part->begin(), part->end());
  return parts;
}

}  // namespace punctual::optimize
