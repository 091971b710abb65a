#include "market/csv_reader.h"

#include <gmock/gmock.h>
#include <unistd.h>
#include <zlib.h>

#include <filesystem>
#include <fstream>

#include "market/book_csv_writer.h"
#include "market/book_for_test.h"
#include "market/window.h"

namespace punctual {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr const char* kHeader1 = "local_ns,exch_ms,ask1_px,ask1_qty,bid1_px,bid1_qty\n";

class BookCsvTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("punctual_csv_test_" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return (folder_ / name).string(); }
  std::string File(const std::string& name, const std::string& bytes) const {
    std::ofstream(Path(name), std::ios::binary) << bytes;
    return Path(name);
  }
  std::string Bytes(const std::string& name) const {
    std::ifstream file(Path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  // The sequences that a file gives, and the error that ended it.
  struct Outcome {
    std::vector<std::uint64_t> sequences;
    std::vector<std::string> skipped;
    std::string error;
  };
  static Outcome ReadAll(const std::string& path, bool skip = false) {
    Outcome outcome;
    BookCsvOptions options{.skip_bad_lines = skip,
                           .on_bad_line = [&](const Error& error) { outcome.skipped.push_back(error.message); }};
    auto reader = BookCsvReader::Open(path, options);
    if (reader.has_error()) return {.error = reader.error().message};
    for (;;) {
      const auto book = reader->Next();
      if (book.has_error()) {
        EXPECT_EQ(book.error().code, Code::kInvalidArgument);
        EXPECT_EQ(reader->Next().error().message, book.error().message) << "an error stays";
        outcome.error = book.error().message;
      }
      if (book.has_error() || !*book) break;
      EXPECT_TRUE(Validate(**book).has_value());
      outcome.sequences.push_back((*book)->sequence);
    }
    EXPECT_EQ(reader->skipped_lines(), outcome.skipped.size());
    return outcome;
  }

  std::filesystem::path folder_;
};

TEST_F(BookCsvTest, ReadsEveryNumberOfALine) {
  auto reader = BookCsvReader::Open(File("a.csv", std::string(kHeader1) + "17,5,100.5,1.25,100,3e-2\r\n")).value();
  EXPECT_EQ(reader.levels(), 1);
  const BookSnapshot book = reader.Next().value().value();
  EXPECT_EQ(book.sequence, 1u);
  EXPECT_EQ(book.receive_time_ns, 17);
  EXPECT_EQ(book.exchange_time_ns, 5'000'000);
  EXPECT_EQ(book.level_count, 1);
  EXPECT_EQ(book.levels[0].ask_price, 100.5);
  EXPECT_EQ(book.levels[0].ask_size, 1.25);
  EXPECT_EQ(book.levels[0].bid_price, 100);
  EXPECT_EQ(book.levels[0].bid_size, 0.03);
  EXPECT_FALSE(reader.Next().value().has_value());
  EXPECT_FALSE(reader.Next().value().has_value());
}

TEST_F(BookCsvTest, TheLastLineNeedsNoLineEnd) {
  EXPECT_THAT(ReadAll(File("a.csv", std::string(kHeader1) + "1,1,2,1,1,1\n2,1,2,1,1,1")).sequences, ElementsAre(1, 2));
}

TEST_F(BookCsvTest, WhatIsWrittenReadsBackTheSamePlainAndCompressed) {
  for (const char* name : {"a.csv", "a.csv.gz"})
    for (const int levels : {1, 10, kMaxBookLevels}) {
      auto writer = BookCsvWriter::Open(Path(name), levels).value();
      for (std::uint64_t sequence = 1; sequence <= 500; ++sequence) {
        BookSnapshot book = BookForTest(sequence, kMaxBookLevels);
        book.levels[0].ask_size = 1.0 / static_cast<double>(sequence);  // needs all its digits
        writer.Write(book).value();
      }
      writer.Close().value();
      EXPECT_EQ(Bytes(name).starts_with("\x1f\x8b"), std::string(name).ends_with(".gz"));
      auto reader = BookCsvReader::Open(Path(name)).value();
      EXPECT_EQ(reader.levels(), levels);
      for (std::uint64_t sequence = 1; sequence <= 500; ++sequence) {
        BookSnapshot book = BookForTest(sequence, levels);
        book.levels[0].ask_size = 1.0 / static_cast<double>(sequence);
        const BookSnapshot read = reader.Next().value().value();
        ASSERT_EQ(DigestOf(read), DigestOf(book));
        ASSERT_EQ(read.sequence, sequence);
        ASSERT_EQ(read.receive_time_ns, book.receive_time_ns);
        ASSERT_EQ(read.exchange_time_ns, book.exchange_time_ns);
      }
      EXPECT_FALSE(reader.Next().value().has_value());
    }
}

TEST_F(BookCsvTest, TheWriterRefusesWhatItCannotWrite) {
  EXPECT_EQ(BookCsvWriter::Open(Path("a.csv"), 0).error().code, Code::kInvalidArgument);
  EXPECT_EQ(BookCsvWriter::Open(Path("a.csv"), kMaxBookLevels + 1).error().code, Code::kInvalidArgument);
  EXPECT_EQ(BookCsvWriter::Open(Path("none/a.csv"), 1).error().code, Code::kInternal);
  auto writer = BookCsvWriter::Open(Path("a.csv"), 10).value();
  EXPECT_THAT(writer.Write(BookForTest(1, 9)).error().message, StartsWith("levels: "));
  BookSnapshot crossed = BookForTest(1);
  crossed.levels[0].bid_price = crossed.levels[0].ask_price;
  EXPECT_EQ(writer.Write(crossed).error().code, Code::kInvalidArgument);
}

TEST_F(BookCsvTest, ADiskThatIsFullIsReported) {
  auto writer = BookCsvWriter::Open("/dev/full", 10).value();
  Result<void> result;
  for (std::uint64_t sequence = 1; sequence <= 1000 && result.has_value(); ++sequence)
    result = writer.Write(BookForTest(sequence));
  if (result.has_value()) result = writer.Close();
  ASSERT_TRUE(result.has_error());
  EXPECT_THAT(result.error().message, StartsWith("/dev/full: cannot be written"));
}

TEST_F(BookCsvTest, BadLinesEndTheReadingWithFileAndLine) {
  const std::string good = std::string(kHeader1) + "10,10,2,1,1,1\n";
  const std::pair<const char*, const char*> cases[] = {
      {"11,11,2,1,1\n", "there are 5 columns, the header has 6"},
      {"11,11,2,1,1,1,1\n", "there are 7 columns, the header has 6"},
      {"\n", "there are 1 columns, the header has 6"},
      {"x,11,2,1,1,1\n", "local_ns: \"x\" is not a number"},
      {"11,1.5,2,1,1,1\n", "exch_ms: \"1.5\" is not a number"},
      {"-1,11,2,1,1,1\n", "local_ns: -1 is not a Unix time"},
      {"11,9223372036854775807,2,1,1,1\n", "exch_ms: 9223372036854775807 is not a Unix time"},
      {"99999999999999999999,11,2,1,1,1\n", "local_ns: \"99999999999999999999\" is out of range"},
      {"11,11,2,,1,1\n", "ask1_qty: \"\" is not a number"},
      {"11,11,2,1,1,1x\n", "bid1_qty: \"1x\" is not a number"},
      {"11,11,2, 1,1,1\n", "ask1_qty: \" 1\" is not a number"},
      {"11,11,2,1,1e999,1\n", "bid1_px: \"1e999\" is out of range"},
      {"11,11,nan,1,1,1\n", "asks[0][0]: the price must be a finite number above 0"},
      {"11,11,2,inf,1,1\n", "asks[0][1]: the size must be a finite number above 0"},
      {"11,11,2,0,1,1\n", "asks[0][1]: the size must be a finite number above 0"},
      {"11,11,1,1,2,1\n", "bids[0][0]: the best bid must be below the best ask: this book is crossed or locked"},
      {"9,11,2,1,1,1\n", "local_ns: 9 is before the line before it, 10"},
      {"11,9,2,1,1,1\n", "exch_ms: 9 is before the line before it, 10"},
  };
  for (const auto& [line, what] : cases) {
    const std::string path = File("bad.csv", good + line + "12,12,2,1,1,1\n");
    const Outcome fatal = ReadAll(path);
    EXPECT_EQ(fatal.error, path + ":3: " + what);
    EXPECT_THAT(fatal.sequences, ElementsAre(1));
    const Outcome skipping = ReadAll(path, true);
    EXPECT_EQ(skipping.error, "");
    EXPECT_THAT(skipping.skipped, ElementsAre(path + ":3: " + what));
    EXPECT_THAT(skipping.sequences, ElementsAre(1, 3)) << "a skipped line leaves a gap";
  }
}

TEST_F(BookCsvTest, TimesThatAreNotKnownAreInNoOrder) {
  const std::string path =
      File("a.csv", std::string(kHeader1) + "10,5,2,1,1,1\n0,0,2,1,1,1\n9,5,2,1,1,1\n11,5,2,1,1,1\n");
  EXPECT_THAT(ReadAll(path, true).sequences, ElementsAre(1, 2, 4));
}

TEST_F(BookCsvTest, BytesThatAreNotTextAreNotRepeated) {
  const std::string path = File("a.csv", std::string(kHeader1) + "1,1,2," + std::string(100, '\x01') + ",1,1\n");
  EXPECT_THAT(ReadAll(path).error, HasSubstr("ask1_qty: \"" + std::string(32, '?') + "...\" is not a number"));
}

TEST_F(BookCsvTest, ALineOfAnyLengthIsReadPast) {
  const std::string good = "1,1,2,1,1,1\n";
  for (const std::size_t length : {8193u, 65'535u, 65'536u, 70'000u, 1'000'000u}) {
    const std::string path = File("long.csv", kHeader1 + good + std::string(length, '7') + "\n" + good);
    EXPECT_THAT(ReadAll(path).error, path + ":3: the line is longer than 8192 bytes");
    EXPECT_THAT(ReadAll(path, true).sequences, ElementsAre(1, 3)) << length;
  }
  const std::string last = File("last.csv", kHeader1 + good + std::string(300'000, '7'));
  EXPECT_THAT(ReadAll(last, true).skipped, ElementsAre(last + ":3: the line is longer than 8192 bytes"));
  EXPECT_THAT(ReadAll(File("header.csv", std::string(100'000, 'x'))).error, HasSubstr(":1: the line is too long"));
}

TEST_F(BookCsvTest, FilesOfAnotherKindAreRefused) {
  EXPECT_EQ(BookCsvReader::Open(Path("none.csv")).error().code, Code::kNotFound);
  EXPECT_THAT(BookCsvReader::Open(folder_.string()).error().message, HasSubstr("cannot be read"));
  EXPECT_THAT(ReadAll(File("empty.csv", "")).error, HasSubstr("is empty"));
  EXPECT_THAT(ReadAll(File("other.csv", "time,price\n1,2\n")).error,
              HasSubstr("other.csv:1: the header's column 1 must be local_ns, not \"time\""));
  EXPECT_THAT(ReadAll(File("none.csv", "local_ns,exch_ms\n")).error, HasSubstr("the header has 2 columns"));
  EXPECT_THAT(ReadAll(File("odd.csv", "local_ns,exch_ms,ask1_px\n")).error, HasSubstr("the header has 3 columns"));
  EXPECT_THAT(ReadAll(File("many.csv", BookCsvHeader(21) + "\n")).error, HasSubstr("the header has 86 columns"));
  EXPECT_EQ(ParseBookCsvHeader(BookCsvHeader(20)).value(), 20);
}

TEST_F(BookCsvTest, GzipThatIsCutShortAnywhereIsAnError) {
  auto writer = BookCsvWriter::Open(Path("whole.csv.gz"), 10).value();
  for (std::uint64_t sequence = 1; sequence <= 300; ++sequence) writer.Write(BookForTest(sequence)).value();
  writer.Close().value();
  const std::string whole = Bytes("whole.csv.gz");
  for (std::size_t size = 1; size < whole.size(); size += size < 20 || size + 20 > whole.size() ? 1 : 97) {
    const std::string path = File("cut.csv.gz", whole.substr(0, size));
    // Skipping bad lines does not skip this.
    EXPECT_THAT(ReadAll(path, true).error, StartsWith(path)) << size << " bytes of " << whole.size();
  }
  const std::string half = File("half.csv.gz", whole.substr(0, whole.size() / 2));
  EXPECT_THAT(ReadAll(half).error, HasSubstr("the gzip data is cut short"));
}

TEST_F(BookCsvTest, DamagedGzipIsAnError) {
  auto writer = BookCsvWriter::Open(Path("whole.csv.gz"), 10).value();
  for (std::uint64_t sequence = 1; sequence <= 300; ++sequence) writer.Write(BookForTest(sequence)).value();
  writer.Close().value();
  const std::string whole = Bytes("whole.csv.gz");
  for (std::size_t at = 10; at < whole.size() - 4; at += 53) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    EXPECT_THAT(ReadAll(File("damaged.csv.gz", bytes), true).error, HasSubstr("damaged.csv.gz")) << at;
  }
}

TEST_F(BookCsvTest, AFileIsAboutTheSymbolOfItsName) {
  EXPECT_EQ(BookCsvSymbol("data/spot_btcusdt.csv.gz"), "SPOT_BTCUSDT");
  EXPECT_EQ(BookCsvSymbol("SIM1.csv"), "SIM1");
}

}  // namespace
}  // namespace punctual
