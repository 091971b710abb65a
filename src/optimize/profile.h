// What a model's inputs and answers looked like when its variants were made, in few numbers, to see later whether they
// still do: VERSION/profile.json of a folder that `punctual optimize` made.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "optimize/block_bootstrap.h"
#include "optimize/samples.h"
#include "punctual/result.h"

namespace punctual::optimize {

// How numbers are spread: `edges` (rising) between bins, and each bin's share of them, one more than edges. A value.
struct Spread {
  std::string name;
  std::vector<double> edges;
  std::vector<double> shares;
};

// Bins as full as each other, ten at most. Fewer of a constant, of few different numbers, and where many lie so close
// together (a fiftieth of their standard deviation) that they are as good as equal: no edge goes through such a crowd.
// REQUIRES: one number at least, all finite.
Spread SpreadOf(std::string name, std::vector<double> numbers);
// A bin for each of `classes` numbers of an answer: the share of those whose largest it is.
Spread SpreadOfClasses(const Answers& answers);

// The population stability index of `now` beside `then`: the sum over bins of (now - then) ln(now / then), where each
// bin has half a number more than it has, so that empty ones are no infinity. 0: as then; above 0.25 is held for
// another population, above 0.1 for one to look at (Siddiqi, "Credit Risk Scorecards", 2006). REQUIRES: not empty.
double StabilityIndex(const Spread& then, std::span<const double> now);
// The same of classes. REQUIRES: as wide as `then`.
double StabilityIndexOfClasses(const Spread& then, const Answers& now);

// Of one question, the numbers whose spread is kept, in the order of `ColumnNames`: of each input that is float, its
// last row (its last axis; the newest book's columns), kMostColumns of all at most.
inline constexpr std::size_t kMostColumns = 256;
std::vector<std::string> ColumnNames(const std::vector<TensorSpec>& inputs,
                                     const std::vector<std::string>& feature_columns);
// `values`: of each input, its bytes.
void AppendColumns(const std::vector<TensorSpec>& inputs, std::span<const std::span<const std::byte>> values,
                   std::vector<double>& to);

struct Profile {
  std::string model;  // the digest of its file, in hex
  std::size_t samples = 0;
  std::vector<Spread> inputs;
  Spread answers;  // of classes; of answers that are one number, of that
  struct Variant {
    std::string variant, backend;
    std::string file;     // the digest of what was computed, in hex
    double limit = 0;     // of its gate: what it was allowed to lose; of the model's own file, 0
    Estimate difference;  // from the model: gate.h
  };
  std::vector<Variant> variants;
};

std::string ProfileJson(const Profile& profile);
// kInvalidArgument: it is none, with what is wrong.
Result<Profile> ParseProfile(std::string_view text);

}  // namespace punctual::optimize
