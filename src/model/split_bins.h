// What a tree ensemble can tell of its input: between two neighbouring thresholds of a feature it sees no difference.
// Immutable; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace punctual {

// How a node of a tree (ai.onnx.ml, BRANCH_*) compares a feature with its threshold.
enum class SplitMode : std::uint8_t { kLessOrEqual, kLess, kGreaterOrEqual, kGreater, kEqual, kNotEqual };

class SplitBins {
 public:
  explicit SplitBins(std::size_t features) : features_(features) {}
  // While building. REQUIRES: feature < the features, a threshold that is a number; Finish() comes last.
  void Add(std::size_t feature, SplitMode mode, float threshold);
  void Finish();

  static constexpr std::size_t bytes_per_code() { return sizeof(std::uint32_t); }
  // Writes the number of each value's bin among those of its feature, 32 bits.
  // REQUIRES: one finite value a feature; out.size() == values.size() * bytes_per_code().
  void Encode(std::span<const float> values, std::span<std::byte> out) const;
  // Puts the value that stands for its bin in the place of each.
  void Canonicalise(std::span<float> values) const;

 private:
  // Bin k holds the values with exactly k edges <= x.
  struct Feature {
    std::vector<float> edges;            // rising
    std::vector<float> representatives;  // one a bin
    std::size_t BinOf(float value) const;
  };
  std::vector<Feature> features_;
};

}  // namespace punctual
