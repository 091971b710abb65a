#include "server/http/market_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace punctual::http {
namespace {

Result<BookSnapshot> Parse(std::string text) {
  JsonParser parser;
  return ParseSnapshot(parser, PaddedText::Of(text));
}

TEST(MarketJsonTest, ReadsASnapshot) {
  const auto book = Parse(R"({"seq":18446744073709551615,"asks":[[2.5,1]],"bids":[[2.25,3e-2]]})").value();
  EXPECT_EQ(book.sequence, 18446744073709551615u);
  EXPECT_EQ(book.exchange_time_ns, 0);
  EXPECT_EQ(book.level_count, 1);
  EXPECT_EQ(book.levels[0].ask_price, 2.5);
  EXPECT_EQ(book.levels[0].bid_size, 0.03);
}

TEST(MarketJsonTest, ASnapshotToPublishNeedsASequence) {
  EXPECT_EQ(Parse(R"({"asks":[[2,1]],"bids":[[1,1]]})").error().message, "seq: is missing");
}

TEST(MarketJsonTest, FieldsAreNamedWithoutAPrefix) {
  EXPECT_EQ(Parse(R"({"seq":1,"asks":[[2,1]],"bids":[[1,{}]]})").error().message,
            "bids[0][1]: must be a number, not an object");
  EXPECT_EQ(Parse(R"({"seq":1,"asks":[[2,1]],"bids":[[1,1]]} {})").error().message,
            "body: something follows the JSON object's end");
}

TEST(MarketJsonTest, ALineIsReadWithoutItsNeighbours) {
  std::string lines = R"({"seq":1,"asks":[[2,1]],"bids":[[1,1]]})";
  const std::size_t size = lines.size();
  lines += "\n" + lines;
  JsonParser parser;
  const PaddedText text = PaddedText::Of(lines);
  EXPECT_TRUE(ParseSnapshot(parser, text.Part(0, size)).has_value());
  EXPECT_TRUE(ParseSnapshot(parser, text.Part(size + 1, size)).has_value());
  EXPECT_TRUE(ParseSnapshot(parser, text.Part(0, size - 1)).has_error()) << "its last brace is the neighbour's";
  EXPECT_TRUE(ParseSnapshot(parser, text).has_error());
}

}  // namespace
}  // namespace punctual::http
