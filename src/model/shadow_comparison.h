// What stands in for a model, compared with it while both are there: a random share of the answers that the served
// model itself computed is also asked of the other, in the background, and both answers are held against each other.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "model/shadow_sample.h"
#include "punctual/outputs.h"

namespace punctual {

// What is compared with a model: a student with the served one; of a variant, the served one itself with its float file
// (model/reference.h). Another one is added here, and asked in Request::CompareStandIns.
enum class StandIn : std::uint8_t { kStudent, kInt8, kBf16 };
inline constexpr StandIn kStandIns[] = {StandIn::kStudent, StandIn::kInt8, StandIn::kBf16};
// As manifests, metrics and the API write it: "student", "int8", "bf16".
std::string_view StandInName(StandIn stand_in);
// None: that is no stand-in ("fp32").
std::optional<StandIn> StandInOf(std::string_view name);

// Thread-safe. One for each loaded model.
class ShadowComparison {
 public:
  static constexpr std::size_t kWindow = 256;  // the comparisons that the difference is the mean of

  struct Stats {
    std::uint64_t compared = 0;
    std::uint64_t differed = 0;  // of these, another class
    std::uint64_t dropped = 0;   // not compared, though drawn, for want of time
    // Of the last kWindow compared, between two numbers of the first output the largest, absolute, and of these the
    // mean; 0 before the first.
    double mean_difference = 0;
  };

  // `share` of the answers that the model itself computed, in [0, 1]; the choice is the seed's. `compared`: what there
  // is to compare.
  ShadowComparison(double share, std::uint64_t seed, std::vector<StandIn> compared)
      : compared_(std::move(compared)), sample_(share, seed) {}

  const std::vector<StandIn>& compared() const { return compared_; }
  ShadowSample& sample() { return sample_; }
  // What both said to the same question: `models`, what it stands in for, which is right. The first output counts. Its
  // classes are the places along its last axis, and the largest number says which; if that axis has one place alone,
  // the difference is held against the largest number of `models`: a tenth of it is another class, and of whole numbers
  // anything but the same. Without outputs there is nothing to compare.
  void Record(StandIn stand_in, const Outputs& models, const Outputs& stand_ins);
  void CountDropped(StandIn stand_in);
  Stats stats(StandIn stand_in) const;

 private:
  struct Compared {
    std::uint64_t compared = 0, differed = 0, dropped = 0;
    std::array<double, kWindow> differences{};  // number i is in i % kWindow
  };

  const std::vector<StandIn> compared_;
  ShadowSample sample_;
  mutable Mutex mutex_;
  std::array<Compared, std::size(kStandIns)> of_ GUARDED_BY(mutex_);  // by StandIn
};

}  // namespace punctual
