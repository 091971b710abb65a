#include "optimize/read_books.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "market/book_csv_writer.h"
#include "market/book_for_test.h"
#include "market/csv_reader.h"
#include "support/temporary_repository.h"

namespace punctual::optimize {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kMs = 1'000'000;

FeaturePlan Plan(int window = 1) {
  return FeaturePlan::Make({.window = window, .levels = 2, .columns = {"mid", "return_2_bp"}}).value();
}
TensorSpec Input(int window = 1) { return {"book", DType::kFloat32, {1, window, 2}}; }

class ReadBooksTest : public ::testing::Test {
 protected:
  // The books of `sequences`.
  std::string File(const std::string& name, const std::vector<std::uint64_t>& sequences, int levels = 2) {
    const std::string path = folder_.path() + "/" + name;
    auto writer = BookCsvWriter::Open(path, levels).value();
    for (const std::uint64_t sequence : sequences) EXPECT_TRUE(writer.Write(BookForTest(sequence, levels)).has_value());
    EXPECT_TRUE(writer.Close().has_value());
    return path;
  }
  static std::vector<std::uint64_t> Count(std::uint64_t from, std::uint64_t to, std::uint64_t step = 1) {
    std::vector<std::uint64_t> sequences;
    for (; from < to; from += step) sequences.push_back(from);
    return sequences;
  }
  static std::vector<float> Numbers(const Samples& samples, std::size_t i) {
    const auto bytes = samples.Of(0, i);
    std::vector<float> numbers(bytes.size() / sizeof(float));
    std::memcpy(numbers.data(), bytes.data(), bytes.size());
    return numbers;
  }

  test::TemporaryRepository folder_;
};

TEST_F(ReadBooksTest, ASampleIsWhatTheServerWouldComputeFromTheBooksUpToIt) {
  const auto sequences = Count(1, 10);
  const Samples samples = ReadBooks({File("spot_a.csv.gz", sequences)}, Plan(3), Input(3)).value();
  ASSERT_EQ(samples.count(), 5u);  // the window of 3 looks 2 back
  EXPECT_THAT(samples.symbols, ElementsAre("SPOT_A"));
  std::vector<BookSnapshot> books;
  for (const std::uint64_t sequence : sequences) books.push_back(BookForTest(sequence, 2));
  for (std::size_t i = 0; i < samples.count(); ++i) {
    std::vector<float> expected(6);
    const auto upto = std::span(books).first(i + 5);
    ASSERT_TRUE(Plan(3).Compute(Window::Of(upto, TimePoint{}), expected).has_value());
    EXPECT_EQ(Numbers(samples, i), expected);
    EXPECT_EQ(samples.snapshot[i], i + 4);
    EXPECT_EQ(samples.time_ns[i], upto.back().receive_time_ns);
    EXPECT_EQ(samples.symbol[i], 0u);
  }
}

TEST_F(ReadBooksTest, SeveralFilesAreMergedByTime) {
  const Samples samples =
      ReadBooks({File("a.csv", Count(0, 12, 2)), File("b.csv", Count(1, 9, 2))}, Plan(), Input()).value();
  EXPECT_THAT(samples.symbols, ElementsAre("A", "B"));
  EXPECT_THAT(samples.symbol, ElementsAre(0, 1, 0, 1, 0, 0));
  EXPECT_THAT(samples.snapshot, ElementsAre(2, 2, 3, 3, 4, 5));
  EXPECT_THAT(samples.time_ns, ElementsAre(4 * kMs + kMs / 2, 5 * kMs + kMs / 2, 6 * kMs + kMs / 2, 7 * kMs + kMs / 2,
                                           8 * kMs + kMs / 2, 10 * kMs + kMs / 2));
  EXPECT_EQ(Numbers(samples, 1)[0], 105.0f);
}

TEST_F(ReadBooksTest, MoreThanTheBoundAreThinnedEvenlyInEachFile) {
  const std::vector<std::string> files = {File("a.csv", Count(0, 2002)), File("b.csv", Count(5000, 6002))};
  const Samples samples = ReadBooks(files, Plan(), Input(), {.most = 300}).value();
  ASSERT_EQ(samples.count(), 300u);
  EXPECT_EQ(std::count(samples.symbol.begin(), samples.symbol.end(), 1u), 100);
  for (std::size_t i = 1; i < samples.count(); ++i)
    if (samples.symbol[i] == samples.symbol[i - 1]) {
      EXPECT_EQ(samples.snapshot[i] - samples.snapshot[i - 1], 10u);
    }
  EXPECT_EQ(samples.snapshot.back(), 1001u) << "the newest is kept";
  EXPECT_EQ(ReadBooks(files, Plan(), Input(), {.most_bytes = 30 * 2 * sizeof(float)})->count(), 30u);
}

TEST_F(ReadBooksTest, FilesWithoutTimesCountOn) {
  const std::string path = folder_.path() + "/a.csv";
  folder_.Write("a.csv", BookCsvHeader(1) + "\n0,0,2,1,1,1\n0,0,2,1,1,1\n0,0,2,1,1,1\n");
  const auto plan = FeaturePlan::Make({.levels = 1, .columns = {"mid"}}).value();
  EXPECT_THAT(ReadBooks({path}, plan, {"book", DType::kFloat32, {1, 1}})->time_ns, ElementsAre(0, 1, 2));
}

TEST_F(ReadBooksTest, ProgressCountsBothReadings) {
  const std::string path = File("a.csv", Count(0, 20'000));
  std::vector<std::pair<std::size_t, std::size_t>> reports;
  const auto progress = [&](std::size_t books, std::size_t of) { reports.emplace_back(books, of); };
  ASSERT_TRUE(ReadBooks({path}, Plan(), Input(), {.most = 10, .progress = progress}).has_value());
  EXPECT_EQ(reports.front(), std::pair(std::size_t{16384}, std::size_t{0}));
  EXPECT_EQ(reports.back(), std::pair(std::size_t{40'000}, std::size_t{40'000}));
}

TEST_F(ReadBooksTest, MistakesSayWhereAndWhat) {
  const auto error = [](const Result<Samples>& result) { return result.error().message; };
  const std::string good = File("good.csv", Count(0, 10)), few = File("few.csv", Count(0, 2));
  EXPECT_EQ(ReadBooks({folder_.path() + "/none.csv"}, Plan(), Input()).error().code, Code::kNotFound);
  EXPECT_THAT(error(ReadBooks({}, Plan(), Input())), HasSubstr("no file"));
  EXPECT_THAT(error(ReadBooks({good, few}, Plan(), Input())),
              HasSubstr("few.csv: has 2 books, the first sample takes 3"));
  EXPECT_THAT(error(ReadBooks({good, good}, Plan(), Input())), HasSubstr("GOOD"));
  EXPECT_THAT(error(ReadBooks({File("flat.csv", Count(0, 9), 1)}, Plan(), Input())),
              HasSubstr("flat.csv: has 1 levels; the model's features use 2"));
  EXPECT_THAT(error(ReadBooks({good}, Plan(), Input(2))), HasSubstr("[1,2,2]; the features make FP32 [1,2]"));
  EXPECT_THAT(error(ReadBooks({good, File("small.csv", Count(0, 3))}, Plan(), Input(), {.most = 3})),
              HasSubstr("small.csv: none of its 1 samples"));
  folder_.Write("bad.csv", BookCsvHeader(1) + "\n1,0,2,1,1,1\n2,0,1,1,2,1\n");
  const auto plan = FeaturePlan::Make({.levels = 1, .columns = {"mid"}}).value();
  EXPECT_THAT(error(ReadBooks({folder_.path() + "/bad.csv"}, plan, {"book", DType::kFloat32, {1, 1}})),
              HasSubstr("bad.csv:3: "));
  folder_.Write("huge.csv", BookCsvHeader(1) + "\n1,0,2,1,1,1\n2,0,2e300,1,1e300,1\n");
  const auto sizes = FeaturePlan::Make({.levels = 1, .columns = {"ask_price_1"}}).value();
  EXPECT_THAT(error(ReadBooks({folder_.path() + "/huge.csv"}, sizes, {"book", DType::kFloat32, {1, 1}})),
              HasSubstr("huge.csv:3: "));
}

}  // namespace
}  // namespace punctual::optimize
