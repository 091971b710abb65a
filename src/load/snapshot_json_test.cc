#include "load/snapshot_json.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <random>

namespace punctual::load {
namespace {

TEST(SnapshotJsonTest, WritesEveryField) {
  BookSnapshot book{.sequence = 7, .exchange_time_ns = 1723161257875000000, .receive_time_ns = 5, .level_count = 2};
  book.levels[0] = {100.5, 1, 100.4, 0.25};
  book.levels[1] = {100.6, 2, 100.3, 1e-7};
  std::string text;
  AppendSnapshotJson(text, book);
  EXPECT_EQ(text,
            "{\"seq\":7,\"time_ns\":1723161257875000000,\"receive_time_ns\":5,"
            "\"asks\":[[100.5,1],[100.6,2]],\"bids\":[[100.4,0.25],[100.3,1e-07]]}");
}

TEST(SnapshotJsonTest, TimesThatAreNotKnownAreLeftOut) {
  std::string text;
  AppendSnapshotJson(text, {.sequence = 1, .level_count = 0});
  EXPECT_EQ(text, "{\"seq\":1,\"asks\":[],\"bids\":[]}");
}

TEST(SnapshotJsonTest, DoublesReadBackTheSame) {
  std::mt19937_64 random(3);
  for (int i = 0; i < 2000; ++i) {
    const double price =
        std::ldexp(1 + static_cast<double>(random() >> 11) * 0x1p-53, static_cast<int>(random() % 60) - 30);
    BookSnapshot book{.sequence = 1, .level_count = 1};
    book.levels[0] = {price, price / 3, price / 7, price / 9};
    std::string text;
    AppendSnapshotJson(text, book);
    const std::size_t at = text.find("[[") + 2;
    EXPECT_EQ(std::strtod(&text[at], nullptr), price);
    EXPECT_EQ(std::strtod(&text[text.find(',', at) + 1], nullptr), price / 3);
  }
}

TEST(SnapshotJsonTest, StringsAreEscaped) {
  std::string text;
  AppendJsonString(text, "a\"b\\c\n\x01");
  EXPECT_EQ(text, "\"a\\\"b\\\\c\\u000a\\u0001\"");
  EXPECT_EQ(boost::json::parse(text).as_string(), "a\"b\\c\n\x01");
}

}  // namespace
}  // namespace punctual::load
