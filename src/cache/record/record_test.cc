#include "cache/record/record.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace punctual {
namespace {

const Digest kKey{1, 2};
constexpr std::int64_t kNow = 1'700'000'000'000'000'000, kLater = kNow + 300'000'000'000;

RecordCodec Codec(int seed = 1) {
  std::vector<std::byte> secret(192, static_cast<std::byte>(seed));
  return RecordCodec(secret);
}

CachedAnswer Answer() {
  const float values[] = {0.1f, 0.2f, 0.7f};
  return {Outputs(std::vector<NamedTensor>{{"p", Tensor::Float32({1, 3}, values)}}), {7, 8, 9}};
}

const std::vector<TensorSpec> kSpecs = {{"p", DType::kFloat32, {1, 3}}};

std::span<const std::byte> Bytes(const std::string& record) { return std::as_bytes(std::span(record)); }

RecordFault FaultOf(const std::string& record, const Digest& key = kKey, std::int64_t now = kNow) {
  return Codec().Decode(Bytes(record), key, now, kSpecs).fault;
}

TEST(RecordTest, ReadsBackWhatItWrote) {
  const auto decoded = Codec().Decode(Bytes(Codec().Encode(kKey, Answer(), kLater)), kKey, kNow, kSpecs);
  ASSERT_EQ(decoded.fault, RecordFault::kNone);
  EXPECT_EQ(decoded.answer.outputs, Answer().outputs);
  EXPECT_EQ(decoded.answer.subject, Answer().subject);
  EXPECT_EQ(decoded.expires_unix_ns, kLater);
}

TEST(RecordTest, FindsOutEveryChangedByte) {
  const std::string record = Codec().Encode(kKey, Answer(), kLater);
  for (std::size_t at = 0; at < record.size(); ++at)
    for (const int bit : {1, 128}) {
      std::string changed = record;
      changed[at] = static_cast<char>(changed[at] ^ bit);
      EXPECT_EQ(FaultOf(changed), at < 8 ? RecordFault::kSchema : RecordFault::kChecksum) << at;
    }
  for (std::size_t size = 0; size < record.size(); ++size)
    EXPECT_EQ(FaultOf(record.substr(0, size)), size < 64 ? RecordFault::kSize : RecordFault::kChecksum) << size;
  EXPECT_EQ(FaultOf(record + std::string(8, '\0')), RecordFault::kChecksum);
}

TEST(RecordTest, IsOfItsKeyItsTimeAndItsSecret) {
  const std::string record = Codec().Encode(kKey, Answer(), kLater);
  EXPECT_EQ(FaultOf(record, Digest{1, 3}), RecordFault::kKey);
  EXPECT_EQ(FaultOf(record, kKey, kLater), RecordFault::kExpired);
  EXPECT_EQ(FaultOf(record, kKey, kLater - 1), RecordFault::kNone);
  EXPECT_EQ(Codec(2).Decode(Bytes(record), kKey, kNow, kSpecs).fault, RecordFault::kChecksum);
}

TEST(RecordTest, MustHaveTheFormThatTheModelGives) {
  const std::string record = Codec().Encode(kKey, Answer(), kLater);
  const auto fault = [&](std::string name, DType dtype, Shape shape, std::size_t count = 1) {
    const std::vector<TensorSpec> specs(count, TensorSpec{name, dtype, shape});
    return Codec().Decode(Bytes(record), kKey, kNow, specs).fault;
  };
  EXPECT_EQ(fault("p", DType::kFloat32, {1, 3}), RecordFault::kNone);
  EXPECT_EQ(fault("q", DType::kFloat32, {1, 3}), RecordFault::kOutputs);
  EXPECT_EQ(fault("p", DType::kFloat64, {1, 3}), RecordFault::kOutputs);
  EXPECT_EQ(fault("p", DType::kFloat32, {3}), RecordFault::kOutputs);
  EXPECT_EQ(fault("p", DType::kFloat32, {1, 3}, 2), RecordFault::kOutputs);
  EXPECT_EQ(fault("p", DType::kFloat32, {1, 3}, 0), RecordFault::kOutputs);
}

TEST(RecordTest, NumbersThatAreNotFiniteAreNoAnswerEvenWithAGoodChecksum) {
  CachedAnswer answer = Answer();
  const float values[] = {0.1f, 0.2f, std::numeric_limits<float>::infinity()};
  answer.outputs = Outputs(std::vector<NamedTensor>{{"p", Tensor::Float32({1, 3}, values)}});
  EXPECT_EQ(FaultOf(Codec().Encode(kKey, answer, kLater)), RecordFault::kOutputs);
}

TEST(RecordTest, IsNeverMadeOfNoise) {
  std::mt19937 random(3);
  for (int round = 0; round < 5000; ++round) {
    std::string noise(random() % 300, '\0');
    for (char& byte : noise) byte = static_cast<char>(random());
    EXPECT_NE(FaultOf(noise), RecordFault::kNone);
  }
}

}  // namespace
}  // namespace punctual
