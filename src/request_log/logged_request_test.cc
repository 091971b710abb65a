#include "request_log/logged_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace punctual {
namespace {

using ::testing::HasSubstr;

BookSnapshot BookOf(std::uint64_t sequence, int levels = 2) {
  BookSnapshot book;
  book.sequence = sequence;
  book.exchange_time_ns = 17 + static_cast<std::int64_t>(sequence);
  book.receive_time_ns = 18;
  book.level_count = levels;
  for (int i = 0; i < levels; ++i)
    book.levels[static_cast<std::size_t>(i)] = {101.25 + i, 1.0 / 3 + i, 100.75 - i,
                                                2.5 + static_cast<double>(sequence)};
  return book;
}

LoggedRequest AboutBooks(std::size_t count) {
  std::vector<BookSnapshot> books;
  for (std::size_t i = 0; i < count; ++i) books.push_back(BookOf(i + 1));
  return {1'700'000'000'000'000'001, "BTC-USDT", Window::Of(books, TimePoint()), nullptr};
}

LoggedRequest AboutTensors() {
  std::vector<NamedTensor> inputs;
  inputs.push_back({"x", Tensor::Float32({1, 3}, std::vector<float>{1.5f, -2.25f, 0.1f})});
  Tensor count(DType::kInt64, {});
  count.mutable_values<std::int64_t>()[0] = -7;
  inputs.push_back({"count", count});
  return {5, "", Window(), std::make_shared<const std::vector<NamedTensor>>(std::move(inputs))};
}

Result<LoggedRequest> Decode(const std::string& record) { return DecodeRequest(std::as_bytes(std::span(record))); }

TEST(LoggedRequestTest, BooksReadBackAsTheyWere) {
  const LoggedRequest request = AboutBooks(3);
  const auto again = Decode(EncodeRequest(request, 100));
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_EQ(again->asked_unix_ns, request.asked_unix_ns);
  EXPECT_EQ(again->symbol, "BTC-USDT");
  EXPECT_EQ(again->inputs, nullptr);
  ASSERT_EQ(again->window.size(), 3u);
  for (std::size_t back = 0; back < 3; ++back) {
    const BookSnapshot &book = again->window.FromNewest(back).book, &was = request.window.FromNewest(back).book;
    EXPECT_EQ(book.sequence, was.sequence);
    EXPECT_EQ(book.exchange_time_ns, was.exchange_time_ns);
    EXPECT_EQ(book.receive_time_ns, was.receive_time_ns);
    EXPECT_EQ(DigestOf(book), DigestOf(was));
  }
}

TEST(LoggedRequestTest, OfAWindowTheNewestBooksAreKept) {
  const auto again = Decode(EncodeRequest(AboutBooks(5), 2));
  ASSERT_TRUE(again.has_value());
  ASSERT_EQ(again->window.size(), 2u);
  EXPECT_EQ(again->window.newest().book.sequence, 5u);
  EXPECT_EQ(again->window.FromNewest(1).book.sequence, 4u);
}

TEST(LoggedRequestTest, TensorsReadBackAsTheyWere) {
  const LoggedRequest request = AboutTensors();
  const auto again = Decode(EncodeRequest(request, 0));
  ASSERT_TRUE(again.has_value()) << again.error().message;
  EXPECT_TRUE(again->window.empty());
  ASSERT_NE(again->inputs, nullptr);
  ASSERT_EQ(again->inputs->size(), 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    const NamedTensor &input = (*again->inputs)[i], &was = (*request.inputs)[i];
    EXPECT_EQ(input.name, was.name);
    EXPECT_EQ(input.tensor.dtype(), was.tensor.dtype());
    EXPECT_EQ(input.tensor.shape(), was.tensor.shape());
    EXPECT_TRUE(std::ranges::equal(input.tensor.bytes(), was.tensor.bytes()));
  }
}

TEST(LoggedRequestTest, WhatIsCutOffAnywhereIsRefused) {
  for (const std::string& record : {EncodeRequest(AboutBooks(2), 2), EncodeRequest(AboutTensors(), 0)})
    for (std::size_t size = 0; size < record.size(); ++size)
      EXPECT_TRUE(Decode(record.substr(0, size)).has_error()) << size;
}

TEST(LoggedRequestTest, WhatIsNotSoundIsRefusedWithAReason) {
  const std::string books = EncodeRequest(AboutBooks(1), 1);
  EXPECT_THAT(Decode(books + "x").error().message, HasSubstr("goes on behind its end"));
  std::string crossed = books;  // the last number: a size of the bids
  const double nothing = 0;
  std::memcpy(crossed.data() + crossed.size() - sizeof nothing, &nothing, sizeof nothing);
  EXPECT_THAT(Decode(crossed).error().message, HasSubstr("not sound"));
  std::string symbol = books;
  symbol[10] = '\n';
  EXPECT_THAT(Decode(symbol).error().message, HasSubstr("symbol"));
  LoggedRequest neither{1, "A", Window(), nullptr};
  EXPECT_THAT(Decode(EncodeRequest(neither, 1)).error().message, HasSubstr("neither books nor tensors"));
  LoggedRequest both = AboutBooks(1);
  both.inputs = AboutTensors().inputs;
  EXPECT_THAT(Decode(EncodeRequest(both, 1)).error().message, HasSubstr("or both"));
}

}  // namespace
}  // namespace punctual
