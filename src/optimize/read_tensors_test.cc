#include "optimize/read_tensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zip.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>

#include "optimize/npy_for_test.h"
#include "support/temporary_repository.h"

namespace punctual::optimize {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<TensorSpec> kOne = {{"x", DType::kFloat32, {1, 2}}};
const std::vector<TensorSpec> kTwo = {{"x", DType::kFloat32, {1, 2}}, {"count", DType::kInt64, {1}}};

class ReadTensorsTest : public ::testing::Test {
 protected:
  std::string File(const std::string& name, const std::string& bytes) {
    folder_.Write(name, bytes);
    return folder_.path() + "/" + name;
  }
  std::string Archive(const std::string& name, const std::map<std::string, std::string>& entries, bool deflate) {
    const std::string path = folder_.path() + "/" + name;
    zip_t* const archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
    for (const auto& [entry, bytes] : entries) {
      const auto index = zip_file_add(archive, entry.c_str(), zip_source_buffer(archive, bytes.data(), bytes.size(), 0),
                                      ZIP_FL_OVERWRITE);
      zip_set_file_compression(archive, static_cast<zip_uint64_t>(index), deflate ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0);
    }
    EXPECT_EQ(zip_close(archive), 0);
    return path;
  }
  template <class T>
  static std::vector<T> Numbers(const Samples& samples, std::size_t input, std::size_t i) {
    const auto bytes = samples.Of(input, i);
    std::vector<T> numbers(bytes.size() / sizeof(T));
    std::memcpy(numbers.data(), bytes.data(), bytes.size());
    return numbers;
  }
  static std::string ErrorOf(const std::string& path, const std::vector<TensorSpec>& inputs = kOne) {
    return ReadTensors(path, inputs).error().message;
  }

  test::TemporaryRepository folder_;
};

const std::string kX = NpyForTest<float>("<f4", "(3, 2)", {1, 2, 3, 4, 5, 6});
const std::string kCount = NpyForTest<std::int64_t>("<i8", "(3, 1)", {7, 8, 9});

TEST_F(ReadTensorsTest, AnArrayIsAModelsOneInput) {
  const Samples samples = ReadTensors(File("x.npy", kX), kOne).value();
  ASSERT_EQ(samples.count(), 3u);
  EXPECT_THAT(Numbers<float>(samples, 0, 1), ElementsAre(3, 4));
  EXPECT_THAT(samples.time_ns, ElementsAre(0, 1, 2));
  EXPECT_THAT(samples.snapshot, ElementsAre(0, 1, 2));
  EXPECT_THAT(samples.symbol, ElementsAre(0, 0, 0));
  EXPECT_THAT(samples.symbols, ElementsAre(""));
  EXPECT_FALSE(samples.has_labels());
}

TEST_F(ReadTensorsTest, ASamplesFirstAxisOfOneMayStandThere) {
  EXPECT_EQ(ReadTensors(File("x.npy", NpyForTest<float>("<f4", "(3, 1, 2)", {1, 2, 3, 4, 5, 6})), kOne)->count(), 3u);
  EXPECT_THAT(ErrorOf(File("y.npy", NpyForTest<float>("<f4", "(3, 2, 1)", {1, 2, 3, 4, 5, 6}))), HasSubstr("[3,2,1]"));
}

TEST_F(ReadTensorsTest, AnArchiveHasAnArrayForEachInput) {
  for (const bool deflate : {false, true}) {
    const std::string path = Archive("both.npz", {{"count.npy", kCount}, {"more.npy", "?"}, {"x.npy", kX}}, deflate);
    const Samples samples = ReadTensors(path, kTwo).value();
    ASSERT_EQ(samples.count(), 3u);
    EXPECT_THAT(Numbers<float>(samples, 0, 2), ElementsAre(5, 6));
    EXPECT_THAT(Numbers<std::int64_t>(samples, 1, 2), ElementsAre(9));
  }
}

TEST_F(ReadTensorsTest, WhatDoesNotFitTheModelIsNamed) {
  EXPECT_EQ(ReadTensors(folder_.path() + "/none.npy", kOne).error().code, Code::kNotFound);
  EXPECT_THAT(ErrorOf(File("text.npy", "a,b\n")), HasSubstr("text.npy: is neither a .npy nor a .npz"));
  EXPECT_THAT(ErrorOf(File("x.npy", kX), kTwo), HasSubstr("the inputs x, count; write them with numpy.savez"));
  EXPECT_THAT(ErrorOf(Archive("one.npz", {{"x.npy", kX}, {"y.npy", kX}}, true), kTwo),
              HasSubstr("has no array \"count\", which the model takes; it has x, y"));
  EXPECT_THAT(ErrorOf(File("d.npy", NpyForTest<double>("<f8", "(1, 2)", {1, 2}))),
              HasSubstr("is float64, but the input \"x\" is float32; use .astype(numpy.float32)"));
  EXPECT_THAT(ErrorOf(File("s.npy", NpyForTest<float>("<f4", "()", {1}))), HasSubstr("has the shape []"));
  EXPECT_THAT(ErrorOf(File("e.npy", NpyForTest<float>("<f4", "(0, 2)", {}))), HasSubstr("no samples"));
  const std::string few = NpyForTest<std::int64_t>("<i8", "(2,)", {7, 8});
  EXPECT_THAT(
      ErrorOf(Archive("few.npz", {{"count.npy", few}, {"x.npy", kX}}, false), {kTwo[0], {"count", DType::kInt64, {}}}),
      HasSubstr("few.npz: count: has 2 samples, but \"x\" has 3"));
}

TEST_F(ReadTensorsTest, NumbersThatAreNotFiniteAreNamed) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(ErrorOf(File("x.npy", NpyForTest<float>("<f4", "(2, 2)", {1, 2, 3, kNan}))),
              HasSubstr("x.npy: [1,1] is not a finite number"));
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  EXPECT_THAT(
      ErrorOf(File("y.npy", NpyForTest<double>("<f8", "(2, 1)", {1, -kInfinity})), {{"y", DType::kFloat64, {1}}}),
      HasSubstr("[1,0]"));
}

TEST_F(ReadTensorsTest, MoreThanTheBoundIsRefusedBeforeItIsRead) {
  const auto read = [&](std::size_t most) { return ReadTensors(File("x.npy", kX), kOne, {.most_bytes = most}); };
  EXPECT_TRUE(read(24).has_value());
  EXPECT_EQ(read(23).error().code, Code::kResourceExhausted);
  // An archive that says it unpacks into more than it has.
  const std::string large =
      NpyForTest("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 2), }\n", std::string(8'000'000, '\0'));
  EXPECT_EQ(ReadTensors(Archive("bomb.npz", {{"x.npy", large}}, true), kOne, {.most_bytes = 1'000'000}).error().code,
            Code::kResourceExhausted);
}

TEST_F(ReadTensorsTest, FilesThatAreCutOrDamagedAreRefused) {
  EXPECT_THAT(ErrorOf(File("cut.npy", kX.substr(0, kX.size() - 1))), HasSubstr("it was cut, or is damaged"));
  const std::string path = Archive("good.npz", {{"x.npy", kX}}, false);
  std::ifstream stream(path, std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  EXPECT_TRUE(ReadTensors(File("copy.npz", bytes), kOne).has_value());
  std::string changed = bytes;
  changed[changed.find(kX) + kX.size() - 1] ^= 1;
  EXPECT_THAT(ErrorOf(File("changed.npz", changed)), HasSubstr("changed.npz: x: is damaged")) << "its checksum tells";
  EXPECT_THAT(ErrorOf(File("half.npz", bytes.substr(0, bytes.size() / 2))), HasSubstr("half.npz: "));
}

}  // namespace
}  // namespace punctual::optimize
