#include "load/request_maker.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <set>

#include "load/users.h"
#include "market/book_csv_writer.h"

namespace punctual::load {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

LoadOptions Options(Api api, RequestKind kind) {
  LoadOptions options{.api = api, .kind = kind, .duration = seconds(2)};
  options.users = MakeUsers(3, options.tiers);
  options.symbols = {"SIM1", "SIM\"2"};
  options.model = "m";
  options.shape = {1, 4};
  return options;
}

RequestMaker Make(const LoadOptions& options) {
  return RequestMaker::Make(options, ParseAddress("http://127.0.0.1:8080").value()).value();
}

std::string ErrorOf(const LoadOptions& options) {
  const auto maker = RequestMaker::Make(options, Address{});
  return maker.has_error() ? maker.error().message : "no error";
}

std::string Bytes(const RequestMaker& maker, std::size_t user, std::size_t symbol, Duration at) {
  const std::string_view content = maker.Content(symbol, at);
  std::string text;
  maker.WriteHead(user, symbol, content.size(), text);
  return text.append(content).append(maker.tail());
}

boost::json::value Body(const std::string& bytes) {
  const std::size_t head = bytes.find("\r\n\r\n");
  const std::size_t length_at = bytes.find("Content-Length: ") + 16;
  const std::string body = bytes.substr(head + 4);
  EXPECT_EQ(std::to_string(body.size()), bytes.substr(length_at, head - length_at));
  return boost::json::parse(body);
}

TEST(RequestMakerTest, ARequestBySymbolNamesUserAndSymbol) {
  LoadOptions options = Options(Api::kPunctual, RequestKind::kSymbol);
  options.model.clear();
  const std::string bytes = Bytes(Make(options), 1, 1, seconds(1));
  EXPECT_EQ(bytes,
            "POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Type: application/json\r\n"
            "Content-Length: 31\r\n\r\n{\"user\":\"u2\",\"symbol\":\"SIM\\\"2\"}");
}

TEST(RequestMakerTest, TensorsAreWrittenAsEachApiTakesThem) {
  const auto ours = Body(Bytes(Make(Options(Api::kPunctual, RequestKind::kTensors)), 0, 0, {}));
  EXPECT_EQ(ours.at("user").as_string(), "u1");
  EXPECT_EQ(ours.at("model").as_string(), "m");
  const std::string adr_bytes = Bytes(Make(Options(Api::kAdr, RequestKind::kTensors)), 0, 0, {});
  EXPECT_TRUE(adr_bytes.starts_with("POST /predict HTTP/1.1\r\n"));
  const auto adr = Body(adr_bytes);
  EXPECT_EQ(adr.at("user").as_string(), "u1");
  EXPECT_EQ(adr.at("symbol").as_string(), "SIM1");
  const std::string oip_bytes = Bytes(Make(Options(Api::kOip, RequestKind::kTensors)), 0, 0, {});
  EXPECT_TRUE(oip_bytes.starts_with("POST /v2/models/m/infer HTTP/1.1\r\n"));
  const boost::json::value tensor = Body(oip_bytes).at("inputs").at(0);
  EXPECT_EQ(tensor.at("name").as_string(), "x");
  EXPECT_EQ(tensor.at("datatype").as_string(), "FP32");
  EXPECT_EQ(tensor.at("shape"), boost::json::array({1, 4}));
  // One seed is one stream, whoever is asked.
  ASSERT_EQ(tensor.at("data").as_array().size(), 4u);
  EXPECT_EQ(tensor.at("data"), ours.at("inputs").at("x"));
  EXPECT_EQ(tensor.at("data"), adr.at("features"));
}

TEST(RequestMakerTest, TensorsRepeatBetweenTicksAndDifferOtherwise) {
  const RequestMaker maker = Make(Options(Api::kAdr, RequestKind::kTensors));
  EXPECT_EQ(maker.Content(0, milliseconds(101)), maker.Content(0, milliseconds(199)));
  std::set<std::string_view> contents;
  for (int tick = 0; tick < 1000; ++tick)
    for (std::size_t symbol = 0; symbol < 2; ++symbol)
      contents.insert(maker.Content(symbol, milliseconds(tick * 100 + 1)));
  EXPECT_EQ(contents.size(), 2000u);
}

TEST(RequestMakerTest, SimulatedBooksAreAWindowThatMovesOn) {
  LoadOptions options = Options(Api::kPunctual, RequestKind::kSnapshot);
  options.window = 3;
  const RequestMaker maker = Make(options);
  const auto sequence = [&](std::size_t symbol, Duration at, std::size_t row) {
    return Body(Bytes(maker, 0, symbol, at)).at("market").at(row).at("seq").to_number<int>();
  };
  EXPECT_EQ(Body(Bytes(maker, 0, 0, {})).at("market").as_array().size(), 3u);
  EXPECT_EQ(sequence(0, {}, 0), 1);
  EXPECT_EQ(sequence(0, {}, 2), 3);
  EXPECT_EQ(sequence(0, milliseconds(1010), 0), 11);
  EXPECT_EQ(sequence(1, milliseconds(1010), 0), 11);
  EXPECT_NE(maker.Content(0, {}), maker.Content(1, {}));
}

TEST(RequestMakerTest, BooksOfAFileAreSharedByTheSymbols) {
  LoadOptions options = Options(Api::kPunctual, RequestKind::kSnapshot);
  options.market_file = testing::TempDir() + "request_maker_test.csv.gz";
  auto writer = BookCsvWriter::Open(options.market_file, 1).value();
  BookSnapshot book{.receive_time_ns = 1000, .level_count = 1};
  for (int i = 0; i < 10; ++i) {
    book.levels[0] = {101.5 + i, 2, 100.5, 3};
    book.receive_time_ns += 1000;
    ASSERT_TRUE(writer.Write(book).has_value());
  }
  ASSERT_TRUE(writer.Close().has_value());
  const RequestMaker maker = Make(options);
  const auto first = Body(Bytes(maker, 0, 0, {})).at("market").at(0),
             second = Body(Bytes(maker, 0, 1, {})).at("market").at(0);
  EXPECT_EQ(first.at("asks").at(0).at(0).to_number<double>(), 101.5);
  EXPECT_EQ(second.at("asks").at(0).at(0).to_number<double>(), 102.5);
  options.window = 11;
  EXPECT_EQ(ErrorOf(options), options.market_file + ": has 10 books, --window takes 11");
}

TEST(RequestMakerTest, OptionsThatDoNotGoTogetherAreNamed) {
  EXPECT_EQ(ErrorOf(Options(Api::kOip, RequestKind::kSymbol)),
            "--kind: this API takes tensors only; add --kind tensors");
  LoadOptions no_model = Options(Api::kPunctual, RequestKind::kTensors);
  no_model.model.clear();
  EXPECT_EQ(ErrorOf(no_model), "--model: a request with tensors names its model");
  LoadOptions bad_shape = Options(Api::kPunctual, RequestKind::kTensors);
  bad_shape.shape = {1'000'000, 1'000'000};
  EXPECT_EQ(ErrorOf(bad_shape), "--shape: must have 1 to 1000000 elements, for instance 1,128");
}

}  // namespace
}  // namespace punctual::load
