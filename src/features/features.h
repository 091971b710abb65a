// From books to a model's input: the columns that its manifest declares, normalised with the manifest's constants.
//
// Columns, for the snapshot at one row of the window (i, k: 1 to `levels`; L = levels; all sums run over used levels):
//   ask_price_i ask_size_i bid_price_i bid_size_i   as they are
//   ask_bp_i bid_bp_i     (price_i / M - 1) * 1e4, M the mid of the window's newest snapshot
//   ask_share_i bid_share_i   size_i / (sum of ask and bid sizes over levels 1..L of this snapshot)
//   mid spread            (a1 + b1) / 2; a1 - b1
//   mid_bp spread_bp      (mid / M - 1) * 1e4; spread / mid * 1e4
//   microprice_bp         ((a1 * bid_size_1 + b1 * ask_size_1) / (ask_size_1 + bid_size_1) / mid - 1) * 1e4
//   imbalance_k           (B - A) / (B + A), A and B the sums of sizes over levels 1..k
//   ofi_k                 order-flow imbalance since the snapshot before, over levels 1..k, divided by the mean of both
//                         snapshots' depth over those levels:
//       sum_i [ qb*(pb >= pb') - qb'*(pb <= pb') - qa*(pa <= pa') + qa'*(pa >= pa') ] / ((D + D') / 2)
//                         primes the snapshot before, D the sum of ask and bid sizes over 1..k. Cont, Kukanov, Stoikov,
//                         "The price impact of order book events" (2014); over levels: Xu, Gould, Howison (2018)
//   return_k_bp           (mid / mid of k snapshots before - 1) * 1e4, k 1 to 1000
// A value v becomes (v - mean) / std, computed in double, cut to [-clip, clip] if clip > 0, then float.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "market/window.h"
#include "punctual/result.h"

namespace punctual {

// As the manifest declares it.
struct FeatureSpec {
  int window = 1;  // rows: the newest snapshot is the last
  int levels = 10;
  std::vector<std::string> columns;
  std::vector<double> mean;  // one a column; empty: zeros
  std::vector<double> std;   // one a column, > 0; empty: ones
  double clip = 0;           // 0: not cut
};

// Immutable after Make; thread-safe.
class FeaturePlan {
 public:
  // kInvalidArgument names the field: an unknown column, a level beyond `levels`, lengths that differ, std <= 0.
  static Result<FeaturePlan> Make(const FeatureSpec& spec);

  int window() const { return window_; }
  // Levels that every book must have.
  int levels() const { return levels_; }
  std::size_t columns() const { return columns_.size(); }
  // Snapshots it needs: the window and what its columns look back at.
  std::size_t history() const { return history_; }
  // Writes window() x columns() floats, row-major, the oldest row first. Does not allocate.
  // REQUIRES: out.size() == window() * columns().
  // kFailedPrecondition: fewer than history() snapshots, or fewer levels than the plan's in one of them (both say how
  // many there are and how many it takes); kInvalidArgument: a value that is not finite, with the column's name.
  Result<void> Compute(const Window& window, std::span<float> out) const;

 private:
  // What becomes of one computed value of a row: where it stands among the row's values (features.cc), and its
  // constants.
  struct Output {
    std::size_t slot = 0;
    double mean = 0;
    double scale = 1;  // 1 / std
  };

  Result<void> AddColumn(const std::string& name);
  Error NotFinite(std::span<const double> values, double limit, const StoredSnapshot& snapshot) const;

  int window_ = 1;
  int levels_ = 10;
  double clip_ = 0;
  std::size_t history_ = 1;
  std::vector<Output> columns_;
  std::vector<std::string> names_;  // of columns_
  std::uint32_t groups_ = 0;        // a bit for each group of values that a row needs (features.cc)
  std::vector<int> returns_;        // the k of every return_k_bp, each once
};

}  // namespace punctual
