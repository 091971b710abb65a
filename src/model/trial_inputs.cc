#include "model/trial_inputs.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

namespace punctual {

namespace {

template <class Float>
void FillWithNormal(std::span<std::byte> bytes, std::mt19937& random) {
  std::normal_distribution<Float> normal;
  for (std::size_t at = 0; at + sizeof(Float) <= bytes.size(); at += sizeof(Float)) {
    const Float value = normal(random);
    std::memcpy(bytes.data() + at, &value, sizeof value);
  }
}

// `member`: how many of them a member of the batch has.
template <class Whole>
void FillWithBits(std::span<std::byte> bytes, std::size_t member, std::mt19937& random) {
  std::vector<Whole> values(bytes.size() / sizeof(Whole));
  for (Whole& value : values) value = static_cast<Whole>(random() & 1);
  // One number is often as its neighbour's, by chance.
  for (std::size_t at = member; member > 0 && at + member <= values.size(); at += member)
    if (std::equal(&values[at], &values[at] + member, &values[at - member])) values[at] = 1 - values[at];
  std::memcpy(bytes.data(), values.data(), values.size() * sizeof(Whole));
}

}  // namespace

void FillRandomly(const Signature& signature, Session& session) {
  std::mt19937 random(1);
  for (std::size_t i = 0; i < signature.inputs.size(); ++i) {
    const std::span<std::byte> bytes = session.input(i);
    const std::size_t member = ElementCount(signature.inputs[i].shape).value();
    switch (signature.inputs[i].dtype) {
      case DType::kFloat32: FillWithNormal<float>(bytes, random); break;
      case DType::kFloat64: FillWithNormal<double>(bytes, random); break;
      case DType::kInt32: FillWithBits<std::int32_t>(bytes, member, random); break;
      case DType::kInt64: FillWithBits<std::int64_t>(bytes, member, random); break;
    }
  }
}

}  // namespace punctual
