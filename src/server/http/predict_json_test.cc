#include "server/http/predict_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace punctual::http {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<PredictRequest> Parse(std::string body) {
  JsonParser parser;
  return ParsePredictRequest(parser, PaddedText::Of(body));
}

// The message of a request that must be refused, as INVALID_ARGUMENT.
std::string Refusal(const std::string& body) {
  auto request = Parse(body);
  if (request.has_value()) return "accepted";
  EXPECT_EQ(request.error().code, Code::kInvalidArgument);
  return request.error().message;
}
std::string InputRefusal(const std::string& x) {
  return Refusal(R"({"user":"u","model":"m","inputs":{"x":)" + x + "}}");
}
Tensor Input(const std::string& x) {
  auto request = Parse(R"({"user":"u","model":"m","inputs":{"x":)" + x + "}}");
  EXPECT_TRUE(request.has_value()) << request.error().message;
  EXPECT_EQ(request->inputs.size(), 1u);
  return request->inputs.at(0).tensor;
}

TEST(PredictJsonTest, ASymbolAloneIsARequest) {
  const auto request = Parse(R"( {"user":"u1","symbol":"BTCUSDT","deadline_ms":7.5} )").value();
  EXPECT_EQ(request.user, "u1");
  EXPECT_EQ(request.symbol, "BTCUSDT");
  EXPECT_EQ(request.model, "");
  EXPECT_EQ(request.budget, std::chrono::microseconds(7500));
  EXPECT_TRUE(request.market.empty());
  EXPECT_TRUE(request.inputs.empty());
}

TEST(PredictJsonTest, FieldsMayComeInAnyOrderAndWithEscapes) {
  const auto request = Parse(R"({"symbol":"\u0042TC\/\"\u20ac\ud83d\ude00","\u0075ser":"u1","model":"m"})").value();
  EXPECT_EQ(request.user, "u1");
  EXPECT_EQ(request.symbol, "BTC/\"\xE2\x82\xAC\xF0\x9F\x98\x80");
  EXPECT_EQ(request.model, "m");
}

TEST(PredictJsonTest, OneBookOrAWindowOfThem) {
  const std::string book =
      R"({"seq":4,"time_ns":5,"receive_time_ns":6,"asks":[[10.5,1],[11,2]],"bids":[[10,3],[9.5,4],[9,5]]})";
  const auto one = Parse(R"({"user":"u","market":)" + book + "}").value();
  ASSERT_EQ(one.market.size(), 1u);
  EXPECT_EQ(one.market[0].sequence, 4u);
  EXPECT_EQ(one.market[0].exchange_time_ns, 5);
  EXPECT_EQ(one.market[0].receive_time_ns, 6);
  EXPECT_EQ(one.market[0].level_count, 2);
  EXPECT_EQ(one.market[0].levels[1].bid_price, 9.5);
  EXPECT_EQ(one.market[0].levels[1].ask_size, 2);
  EXPECT_EQ(one.market[0].levels[2].bid_price, 0) << "what the longer side has beyond is not kept";
  const auto two = Parse(R"({"user":"u","symbol":"S","market":[)" + book + ",\n" + book + "]}").value();
  EXPECT_EQ(two.market.size(), 2u);
  EXPECT_EQ(two.symbol, "S");
}

TEST(PredictJsonTest, TheNestingOfAListIsItsShape) {
  EXPECT_THAT(Input("[1,2,3]").shape(), ElementsAre(3));
  EXPECT_THAT(Input("[[1,2,3]]").shape(), ElementsAre(1, 3));
  const Tensor tensor = Input("[[[1],[2]],[[3],[-4.5e1]],[[0],[1e-50]]]");
  EXPECT_THAT(tensor.shape(), ElementsAre(3, 2, 1));
  EXPECT_EQ(tensor.dtype(), DType::kFloat32);
  EXPECT_THAT(tensor.values<float>(), ElementsAre(1, 2, 3, -45, 0, 0));
}

TEST(PredictJsonTest, ATensorMaySayItsShapeAndTypeInAnyOrder) {
  const Tensor f32 = Input(R"({"shape":[1,2],"dtype":"FP32","data":[0.5,1]})");
  EXPECT_THAT(f32.shape(), ElementsAre(1, 2));
  EXPECT_THAT(f32.values<float>(), ElementsAre(0.5, 1));
  const Tensor i64 = Input(R"({"data":[[9007199254740993,-1]],"dtype":"INT64","shape":[2,1]})");
  EXPECT_THAT(i64.shape(), ElementsAre(2, 1));
  EXPECT_THAT(i64.values<std::int64_t>(), ElementsAre(9007199254740993, -1));
  EXPECT_THAT(Input(R"({"data":[2147483647],"dtype":"INT32"})").values<std::int32_t>(), ElementsAre(2147483647));
  EXPECT_THAT(Input(R"({"dtype":"FP64","data":[1e300]})").values<double>(), ElementsAre(1e300));
}

TEST(PredictJsonTest, SeveralTensorsAfterATensorObject) {
  const auto request =
      Parse(R"({"user":"u","model":"m","inputs":{"a":{"data":[1],"shape":[1]},"b":[2,3]},"deadline_ms":1})").value();
  ASSERT_EQ(request.inputs.size(), 2u);
  EXPECT_EQ(request.inputs[1].name, "b");
  EXPECT_THAT(request.inputs[1].tensor.values<float>(), ElementsAre(2, 3));
}

TEST(PredictJsonTest, TextThatIsNotJsonIsRefused) {
  for (const char* body : {"",
                           " ",
                           "{",
                           "nonsense",
                           R"({"user":"u","symbol":"s")",
                           R"({"user":"u" "symbol":"s"})",
                           R"({"user":})",
                           R"({user:"u"})",
                           R"({"user":"u","symbol":"s",})",
                           R"({"user":"u","symbol":"s}])",
                           "{\"user\":\"\x01\"}",
                           R"({"user":"u","symbol":"\x"})",
                           R"({"user":"u","symbol":"\ud800"})",
                           "[]",
                           "1",
                           "null",
                           "\"text\"",
                           R"({"user":"u","inputs":{"x":[1,2}})",
                           R"({"user":"u","inputs":{"x":[1 2]}})",
                           R"({"user":"u","inputs":{"x":[01]}})",
                           R"({"user":"u","inputs":{"x":[1.]}})",
                           R"({"user":"u","inputs":{"x":[+1]}})",
                           R"({"user":"u","inputs":{"x":[.5]}})",
                           R"({"user":"u","inputs":{"x":[1,]}})",
                           R"({"user":"u","inputs":{"x":{"data":[1}}})",
                           R"({"user":"u","inputs":{"x":{"data":[1]]}})"})
    EXPECT_THAT(Refusal(body), testing::Not(HasSubstr("accepted"))) << body;
}

TEST(PredictJsonTest, WhatFollowsTheObjectIsRefused) {
  for (const char* tail : {"x", "{}", "}", "]", ",", "1"})
    EXPECT_THAT(Refusal(std::string(R"({"user":"u","symbol":"s"})") + tail), HasSubstr("body: ")) << tail;
}

TEST(PredictJsonTest, TextThatIsNotUtf8IsRefused) {
  EXPECT_THAT(Refusal("{\"user\":\"\xff\",\"symbol\":\"s\"}"), HasSubstr("UTF-8"));
  EXPECT_THAT(Refusal("{\"user\":\"\xc0\x80\",\"symbol\":\"s\"}"), HasSubstr("UTF-8"));
  EXPECT_NE(Refusal(R"({"user":"u","symbol":"\udc00"})"), "accepted") << "half of a surrogate pair";
}

TEST(PredictJsonTest, UnknownAndRepeatedFieldsAreNamed) {
  EXPECT_EQ(Refusal(R"({"user":"u","simbol":"s"})"),
            "simbol: no such field; there are user, symbol, model, market, inputs, deadline_ms");
  EXPECT_EQ(Refusal(R"({"user":"u","symbol":"s","user":"v"})"), "user: is there twice");
  EXPECT_EQ(Refusal(R"({"user":"u","market":{"asks":[[2,1]],"ask":[]}})"),
            "market.ask: no such field; there are seq, time_ns, receive_time_ns, asks, bids");
  EXPECT_EQ(Refusal(R"({"user":"u","inputs":{"x":[1],"x":[2]}})"), "inputs.x: is there twice");
  EXPECT_EQ(InputRefusal(R"({"data":[1],"type":"FP32"})"),
            "inputs.x.type: no such field; there are shape, dtype, data");
}

TEST(PredictJsonTest, WhatIsMissingIsNamed) {
  EXPECT_EQ(Refusal("{}"), "user: is missing");
  EXPECT_EQ(Refusal(R"({"user":"u"})"), "body: must have \"symbol\", \"market\" or \"inputs\"");
  EXPECT_EQ(Refusal(R"({"user":"u","market":{"bids":[[1,1]]}})"), "market.asks: is missing");
  EXPECT_EQ(InputRefusal(R"({"shape":[1]})"), "inputs.x.data: is missing");
}

TEST(PredictJsonTest, WrongTypesNameThePath) {
  EXPECT_EQ(Refusal(R"({"user":1,"symbol":"s"})"), "user: must be text, not 1");
  EXPECT_EQ(Refusal(R"({"user":null,"symbol":"s"})"), "user: must be text, not null");
  EXPECT_EQ(Refusal(R"({"user":"","symbol":"s"})"), "user: must have 1 to 256 bytes");
  EXPECT_EQ(Refusal(R"({"user":"u","symbol":"a\u0000b"})"), "symbol: must not have control characters");
  EXPECT_EQ(Refusal(R"({"user":"u","market":"s"})"), "market: must be an object or a list, not text");
  EXPECT_EQ(Refusal(R"({"user":"u","market":{"asks":[[2,1],[3,1],[4,1],["5",1]],"bids":[[1,1]]}})"),
            "market.asks[3][0]: must be a number, not text");
  EXPECT_EQ(Refusal(R"({"user":"u","market":[{"asks":[[2,1,3]],"bids":[[1,1]]}]})"),
            "market[0].asks[0]: must be [price, size]");
  EXPECT_EQ(Refusal(R"({"user":"u","market":{"asks":[[2]],"bids":[[1,1]]}})"), "market.asks[0]: must be [price, size]");
  EXPECT_EQ(Refusal(R"({"user":"u","market":{"seq":1.5,"asks":[[2,1]],"bids":[[1,1]]}})"),
            "market.seq: must be a whole number from 0 to 2^64-1, not 1.5");
  EXPECT_EQ(Refusal(R"({"user":"u","market":{"seq":-1,"asks":[[2,1]],"bids":[[1,1]]}})"),
            "market.seq: must be a whole number from 0 to 2^64-1, not -1");
  EXPECT_EQ(Refusal(R"({"user":"u","inputs":[1]})"), "inputs: must be an object, not a list");
  EXPECT_EQ(InputRefusal("1"), "inputs.x: must be a list, not 1");
  EXPECT_EQ(InputRefusal("[1,true]"), "inputs.x[1]: must be a number, not true or false");
  EXPECT_EQ(InputRefusal("[1,[2]]"), "inputs.x[1]: must be a number, not a list");
  EXPECT_EQ(InputRefusal("[[1],2]"), "inputs.x[1]: must be a list, not 2");
}

TEST(PredictJsonTest, NanAndInfinityAreNamed) {
  for (const char* number : {"NaN", "nan", "Infinity", "-Infinity", "-NaN", "inf"})
    EXPECT_THAT(InputRefusal(std::string("[1,") + number + "]"),
                HasSubstr("inputs.x[1]: must be a number, and finite"));
  EXPECT_THAT(Refusal(R"({"user":"u","market":{"asks":[[NaN,1]],"bids":[[1,1]]}})"),
              HasSubstr("market.asks[0][0]: must be a number, and finite"));
  EXPECT_THAT(Refusal(R"({"user":"u","symbol":"s","deadline_ms":Infinity})"),
              HasSubstr("deadline_ms: must be a number"));
}

TEST(PredictJsonTest, NumbersOutOfRangeAreNamed) {
  EXPECT_EQ(InputRefusal("[1e39]"), "inputs.x[0]: is beyond float32's range (3.4e38)");
  EXPECT_EQ(InputRefusal("[[0,-3.5e38]]"), "inputs.x[0][1]: is beyond float32's range (3.4e38)");
  EXPECT_EQ(Input("[3.4028234663852886e38]").values<float>()[0], std::numeric_limits<float>::max());
  EXPECT_THAT(InputRefusal("[1e400]"), HasSubstr("inputs.x[0]: is not a number as JSON writes it, or beyond a double"));
  EXPECT_THAT(Refusal(R"({"user":"u","market":{"asks":[[1e999,1]],"bids":[[1,1]]}})"),
              HasSubstr("market.asks[0][0]: "));
  EXPECT_THAT(InputRefusal(R"({"dtype":"INT32","data":[2147483648]})"), HasSubstr("inputs.x.data[0]: must be a whole"));
  EXPECT_THAT(InputRefusal(R"({"dtype":"INT64","data":[9223372036854775808]})"),
              HasSubstr("inputs.x.data[0]: must be a whole"));
  for (const char* deadline : {"0", "-1", "1e999", "\"5\""})
    EXPECT_THAT(Refusal(std::string(R"({"user":"u","symbol":"s","deadline_ms":)") + deadline + "}"),
                HasSubstr("deadline_ms: "));
  EXPECT_EQ(Parse(R"({"user":"u","symbol":"s","deadline_ms":1e300})")->budget, std::chrono::hours(1));
  EXPECT_EQ(Parse(R"({"user":"u","symbol":"s","deadline_ms":1e-300})")->budget, Duration(1));
}

TEST(PredictJsonTest, WrongShapesAndTypesOfTensorsAreNamed) {
  EXPECT_EQ(InputRefusal("[]"), "inputs.x: must not be an empty list");
  EXPECT_EQ(InputRefusal("[[1,2],[3]]"), "inputs.x[1]: has 1 elements where the lists before it have 2");
  EXPECT_EQ(InputRefusal("[[[[[[[[[1]]]]]]]]]"), "inputs.x[0][0][0][0][0][0][0][0]: must not nest more than 8 lists");
  EXPECT_EQ(InputRefusal(R"({"shape":[2,2],"data":[1,2,3]})"), "inputs.x.data: has 3 numbers; shape [2,2] has 4");
  EXPECT_EQ(InputRefusal(R"({"shape":[0],"data":[1]})"), "inputs.x.shape[0]: must be at least 1");
  EXPECT_EQ(InputRefusal(R"({"shape":[-1],"data":[1]})"), "inputs.x.shape[0]: must be at least 1");
  EXPECT_THAT(InputRefusal(R"({"shape":[4000000000,4000000000],"data":[1]})"), HasSubstr("inputs.x.shape: "));
  EXPECT_EQ(InputRefusal(R"({"dtype":"FP16","data":[1]})"), "inputs.x.dtype: must be FP32, FP64, INT32 or INT64");
  EXPECT_EQ(Refusal(R"({"user":"u","inputs":{}})"), "inputs: must have at least one tensor");
}

TEST(PredictJsonTest, DepthAndCountsAreBounded) {
  EXPECT_NE(InputRefusal(std::string(100000, '[')), "accepted");
  std::string levels = "[1,1]";
  for (int i = 0; i < kMaxBookLevels; ++i) levels += ",[1,1]";
  EXPECT_EQ(Refusal(R"({"user":"u","market":{"bids":[)" + levels + "]}}"), "market.bids: must have at most 20 levels");
  EXPECT_EQ(Refusal(R"({"user":"u","market":{"bids":[]}})"), "market.bids: must have at least one level");
  EXPECT_EQ(Refusal(R"({"user":"u","market":[]})"), "market: must have at least one book");
  std::string books = R"({"asks":[[2,1]],"bids":[[1,1]]})";
  for (int i = 0; i < 10; ++i) books += "," + books;
  EXPECT_TRUE(Parse(R"({"user":"u","market":[)" + books + "]}").has_value());
  EXPECT_EQ(Refusal(R"({"user":"u","market":[)" + books + R"(,{"asks":[[2,1]],"bids":[[1,1]]}]})"),
            "market: must have at most 1024 books");
  EXPECT_THAT(Refusal("{\"" + std::string(100000, 'k') + "\":1}"), HasSubstr("kkk...: no such field"));
}

TEST(PredictJsonTest, EveryCutOfARequestIsRefused) {
  const std::string whole =
      R"({"user":"u","symbol":"s","deadline_ms":5,"market":[{"seq":1,"asks":[[2,1]],"bids":[[1,1]]}],"inputs":{"x":{"shape":[2],"data":[1,2]},"y":[[1]]}})";
  ASSERT_TRUE(Parse(whole).has_value());
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_NE(Refusal(whole.substr(0, size)), "accepted") << size;
}

}  // namespace
}  // namespace punctual::http
