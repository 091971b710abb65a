#include "model/trial_inputs.h"

#include <cstring>
#include <random>

namespace punctual {

namespace {

template <class Float>
void Fill(std::span<std::byte> bytes, std::mt19937& random) {
  std::normal_distribution<Float> normal;
  for (std::size_t at = 0; at + sizeof(Float) <= bytes.size(); at += sizeof(Float)) {
    const Float value = normal(random);
    std::memcpy(bytes.data() + at, &value, sizeof value);
  }
}

}  // namespace

void FillRandomly(const Signature& signature, Session& session) {
  std::mt19937 random(1);
  for (std::size_t i = 0; i < signature.inputs.size(); ++i) {
    if (signature.inputs[i].dtype == DType::kFloat32) Fill<float>(session.input(i), random);
    if (signature.inputs[i].dtype == DType::kFloat64) Fill<double>(session.input(i), random);
  }
}

}  // namespace punctual
