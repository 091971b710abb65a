#include "optimize/read_labels.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "optimize/npy_for_test.h"
#include "support/temporary_repository.h"

namespace punctual::optimize {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ReadLabelsTest : public ::testing::Test {
 protected:
  Result<Labels> Read(const std::string& bytes) {
    folder_.Write("labels", bytes);
    return ReadLabels(folder_.path() + "/labels");
  }
  std::string ErrorOf(const std::string& bytes) { return Read(bytes).error().message; }

  test::TemporaryRepository folder_;
};

Samples Tensors(std::size_t count) {
  Samples samples;
  samples.symbols = {""};
  for (std::size_t i = 0; i < count; ++i) {
    samples.time_ns.push_back(static_cast<std::int64_t>(i));
    samples.symbol.push_back(0);
    samples.snapshot.push_back(i);
  }
  return samples;
}
Samples Books() {
  Samples samples = Tensors(4);
  samples.symbols = {"A", "B"};
  samples.time_ns = {100, 100, 200, 300};
  samples.symbol = {0, 1, 0, 1};
  return samples;
}

TEST_F(ReadLabelsTest, ArraysOfWholeNumbersAreRead) {
  EXPECT_THAT(Read(NpyForTest<std::int64_t>("<i8", "(3,)", {2, -1, 0}))->labels, ElementsAre(2, -1, 0));
  EXPECT_THAT(Read(NpyForTest<std::uint8_t>("|u1", "(2, 1)", {2, 255}))->labels, ElementsAre(2, 255));
  EXPECT_THAT(Read(NpyForTest<std::int8_t>("|i1", "(2,)", {-1, 127}))->labels, ElementsAre(-1, 127));
  EXPECT_THAT(Read(NpyForTest<std::uint16_t>("<u2", "(1,)", {65535}))->labels, ElementsAre(65535));
  EXPECT_THAT(ErrorOf(NpyForTest<float>("<f4", "(1,)", {1})),
              HasSubstr("float32 [1], but labels are one whole number"));
  EXPECT_THAT(ErrorOf(NpyForTest<std::int8_t>("|i1", "(1, 2)", {1, 2})), HasSubstr("[1,2]"));
  EXPECT_THAT(ErrorOf(NpyForTest<std::int8_t>("|i1", "(2,)", {1, -2})), HasSubstr("[1] is -2"));
  EXPECT_THAT(ErrorOf(NpyForTest<std::uint64_t>("<u8", "(1,)", {~std::uint64_t{0}})), HasSubstr("[0] is 18446"));
}

TEST_F(ReadLabelsTest, CsvNamesItsColumns) {
  const Labels labels = Read("time_ns,label,symbol\n10,2,B\n11,-1,A\n12,0,B\n").value();
  EXPECT_THAT(labels.labels, ElementsAre(2, -1, 0));
  EXPECT_THAT(labels.time_ns, ElementsAre(10, 11, 12));
  EXPECT_THAT(labels.symbols, ElementsAre("B", "A"));
  EXPECT_THAT(labels.symbol, ElementsAre(0, 1, 0));
  const Labels bare = Read("label\r\n1\r\n0").value();
  EXPECT_THAT(bare.labels, ElementsAre(1, 0));
  EXPECT_TRUE(bare.time_ns.empty() && bare.symbol.empty());
}

TEST_F(ReadLabelsTest, MistakesNameFileLineAndColumn) {
  EXPECT_EQ(ReadLabels(folder_.path() + "/none").error().code, Code::kNotFound);
  EXPECT_THAT(ErrorOf(""), HasSubstr("labels: is empty"));
  EXPECT_THAT(ErrorOf("label,colour\n"), HasSubstr("labels:1: column \"colour\" is not known"));
  EXPECT_THAT(ErrorOf("label,label\n"), HasSubstr("twice"));
  EXPECT_THAT(ErrorOf("time_ns\n"), HasSubstr("label is not there"));
  EXPECT_THAT(ErrorOf("label,time_ns\n1,2\n1\n"), HasSubstr("labels:3: there are 1 columns, the header has 2"));
  EXPECT_THAT(ErrorOf("label\nup\n"), HasSubstr("labels:2: label: \"up\" is not a whole number"));
  EXPECT_THAT(ErrorOf("label\n-2\n"), HasSubstr("label: -2"));
  EXPECT_THAT(ErrorOf("label\n1.0\n"), HasSubstr("\"1.0\""));
  EXPECT_THAT(ErrorOf("label\n3000000000\n"), HasSubstr("out of range"));
  EXPECT_THAT(ErrorOf("label,time_ns\n1,soon\n"), HasSubstr("time_ns: \"soon\""));
  EXPECT_THAT(ErrorOf("label\n" + std::string(10'000, '1')), HasSubstr("labels:2: the line is too long"));
}

TEST_F(ReadLabelsTest, TensorsAreLabelledInTheirOrder) {
  Samples samples = Tensors(3);
  ASSERT_TRUE(LabelInOrder(*Read("label\n1\n-1\n0\n"), samples).has_value());
  EXPECT_THAT(samples.labels, ElementsAre(1, -1, 0));
  EXPECT_THAT(samples.time_ns, ElementsAre(0, 1, 2));
  EXPECT_THAT(LabelInOrder(*Read("label\n1\n"), samples).error().message, HasSubstr("1 labels for 3 samples"));
}

TEST_F(ReadLabelsTest, LabelsMaySayOfWhatAndWhenTensorsAre) {
  Samples samples = Tensors(3);
  ASSERT_TRUE(LabelInOrder(*Read("label,symbol,time_ns\n1,B,30\n2,A,10\n0,B,40\n"), samples).has_value());
  EXPECT_THAT(samples.symbols, ElementsAre("B", "A"));
  EXPECT_THAT(samples.symbol, ElementsAre(0, 1, 0));
  EXPECT_THAT(samples.time_ns, ElementsAre(30, 10, 40));
  EXPECT_THAT(samples.snapshot, ElementsAre(0, 0, 1));
  EXPECT_THAT(LabelInOrder(*Read("label,symbol,time_ns\n1,B,30\n2,A,10\n0,B,20\n"), samples).error().message,
              HasSubstr("row 3, B at 20, is before a row above it"));
}

TEST_F(ReadLabelsTest, BooksAreLabelledByTheirSymbolAndTime) {
  Samples samples = Books();
  ASSERT_TRUE(LabelByTime(*Read("label,symbol,time_ns\n2,B,100\n1,A,200\n0,C,100\n1,B,301\n"), samples).has_value());
  EXPECT_THAT(samples.labels, ElementsAre(-1, 2, 1, -1));
}

TEST_F(ReadLabelsTest, OfOneSymbolTheTimeIsEnough) {
  Samples samples = Tensors(2);
  samples.symbols = {"A"};
  samples.time_ns = {100, 200};
  ASSERT_TRUE(LabelByTime(*Read("label,time_ns\n2,200\n1,100\n"), samples).has_value());
  EXPECT_THAT(samples.labels, ElementsAre(1, 2));
}

TEST_F(ReadLabelsTest, LabelsThatAreOfNoBookOrContradictEachOtherAreRefused) {
  Samples samples = Books();
  const auto error = [&](const std::string& csv) { return LabelByTime(*Read(csv), samples).error().message; };
  EXPECT_THAT(error("label\n1\n1\n1\n1\n"), HasSubstr("columns label, time_ns and, of several symbols, symbol"));
  EXPECT_THAT(error("label,time_ns\n1,100\n"), HasSubstr("of several symbols"));
  EXPECT_THAT(error("label,symbol,time_ns\n1,A,100\n2,B,100\n2,A,100\n"),
              HasSubstr("row 3 contradicts row 1: both are of A at 100"));
  EXPECT_THAT(error("label,symbol,time_ns\n1,A,99\n"), HasSubstr("no label of any sample; the first is of A at 100"));
  EXPECT_FALSE(samples.has_labels());
}

}  // namespace
}  // namespace punctual::optimize
