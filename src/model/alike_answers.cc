#include "model/alike_answers.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace punctual {

namespace {

constexpr double kApart = 0.1;

bool IsFloating(const TensorSpec& spec) { return spec.dtype == DType::kFloat32 || spec.dtype == DType::kFloat64; }

template <class Float>
bool AreNear(std::span<const std::byte> a, std::span<const std::byte> b) {
  double largest = 0, apart = 0;
  for (std::size_t at = 0; at + sizeof(Float) <= b.size(); at += sizeof(Float)) {
    Float of_a, of_b;
    std::memcpy(&of_a, a.data() + at, sizeof of_a);
    std::memcpy(&of_b, b.data() + at, sizeof of_b);
    if (std::isfinite(of_a) && std::isfinite(of_b)) {
      largest = std::max(largest, std::abs(double{of_b}));
      apart = std::max(apart, std::abs(double{of_a} - double{of_b}));
    } else if (of_a != of_b && !(std::isnan(of_a) && std::isnan(of_b))) {
      return false;
    }
  }
  return apart <= kApart * largest;
}

}  // namespace

bool HaveOneSignature(const Signature& a, const Signature& b) {
  const auto same = [](const TensorSpec& one, const TensorSpec& other) {
    return one.name == other.name && one.dtype == other.dtype && one.shape == other.shape;
  };
  return std::equal(a.inputs.begin(), a.inputs.end(), b.inputs.begin(), b.inputs.end(), same) &&
         std::equal(a.outputs.begin(), a.outputs.end(), b.outputs.begin(), b.outputs.end(), same);
}

bool AreAlike(const Signature& signature, const Session& a, const Session& b) {
  const bool only_whole = std::none_of(signature.outputs.begin(), signature.outputs.end(), IsFloating);
  for (std::size_t i = 0; i < signature.outputs.size(); ++i) {
    const std::span<const std::byte> of_a = a.output(i), of_b = b.output(i);
    if (of_a.size() != of_b.size()) return false;
    const DType dtype = signature.outputs[i].dtype;
    if (dtype == DType::kFloat32 && !AreNear<float>(of_a, of_b)) return false;
    if (dtype == DType::kFloat64 && !AreNear<double>(of_a, of_b)) return false;
    if (only_whole && !std::equal(of_a.begin(), of_a.end(), of_b.begin())) return false;
  }
  return true;
}

}  // namespace punctual
