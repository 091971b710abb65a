// What each path answers, through a real server and a real engine.
#include "server/http/api.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <map>

#include "server/http/server_under_test.h"

namespace punctual::http {
namespace {

using ::testing::HasSubstr;

class ApiTest : public ServerTest {
 protected:
  ApiTest() { Start(); }
  Reply Ask(const std::string& request) { return Connect().Ask(request); }
  Reply Predict(const std::string& body) { return Ask(Post("/v1/predict", body)); }
  static std::string Text(Code code, const std::string& message) {
    boost::json::object error{{"code", CodeName(code)}, {"message", message}};
    return boost::json::serialize(boost::json::object{{"error", error}});
  }
};

TEST_F(ApiTest, PredictAnswersFromTheModelThenFromMemory) {
  ASSERT_EQ(Ask(Post("/v1/market/BTCUSDT", Book(5))).status, 200);
  const Reply first = Predict(R"({"user":"u2","symbol":"BTCUSDT"})");
  ASSERT_EQ(first.status, 200) << first.body;
  const auto answer = boost::json::parse(first.body);
  EXPECT_EQ(answer.at("outputs").at("probabilities").as_array().size(), 3u);
  EXPECT_EQ(answer.at("model"), "m");
  EXPECT_EQ(answer.at("version"), "1");
  EXPECT_EQ(answer.at("variant"), "fp32");
  EXPECT_EQ(answer.at("source"), "model");
  EXPECT_EQ(answer.at("degraded"), false);
  EXPECT_EQ(answer.at("as_of").at("seq"), 5);
  EXPECT_EQ(answer.at("deadline_ms"), 20000);
  EXPECT_GT(answer.at("elapsed_ms").to_number<double>(), 0);
  EXPECT_GE(answer.at("age_ms").to_number<double>(), 0);
  EXPECT_EQ(answer.at("trace").as_string().size(), 16u);
  EXPECT_EQ(boost::json::parse(Predict(R"({"user":"u2","symbol":"BTCUSDT"})").body).at("source"), "l1");
}

TEST_F(ApiTest, PredictTakesBooksAndTensors) {
  const auto books = boost::json::parse(Predict(R"({"user":"u2","market":)" + Book(2) + "}").body);
  EXPECT_EQ(books.at("source"), "model");
  for (const char* x : {"[0.2,0.1]", "[[0.2,0.1]]", R"({"shape":[1,2],"dtype":"FP32","data":[0.2,0.1]})"}) {
    const Reply reply = Predict(std::string(R"({"user":"u2","model":"m","inputs":{"book":)") + x + "}}");
    ASSERT_EQ(reply.status, 200) << reply.body;
    const auto tensors = boost::json::parse(reply.body);
    EXPECT_FALSE(tensors.as_object().contains("as_of"));
    EXPECT_EQ(tensors.at("outputs").at("probabilities").as_array().size(), 3u);
  }
}

TEST_F(ApiTest, ADeadlineShortensTheBudget) {
  const std::string market = R"({"user":"u2","market":)" + Book(2);
  EXPECT_EQ(boost::json::parse(Predict(market + R"(,"deadline_ms":500})").body).at("deadline_ms"), 500);
  EXPECT_EQ(boost::json::parse(Predict(market + R"(,"deadline_ms":9e9})").body).at("deadline_ms"), 20000);
}

TEST_F(ApiTest, BadPredictRequestsNameTheFieldAndHaveTheirStatus) {
  ASSERT_EQ(Ask(Post("/v1/market/BTCUSDT", Book(5))).status, 200);
  struct Case {
    const char* body;
    int status;
    const char* code;
    const char* message;
  };
  std::map<std::string, std::uint64_t> refused;
  for (const Case& bad : {
           Case{"{", 400, "INVALID_ARGUMENT", "body: not JSON"},
           Case{"", 400, "INVALID_ARGUMENT", "body: is empty"},
           Case{R"({"user":"nobody","symbol":"BTCUSDT"})", 404, "NOT_FOUND", "user"},
           Case{R"({"user":"u1","symbol":"NOSUCH"})", 404, "NOT_FOUND", "symbol"},
           Case{R"({"user":"u1","symbol":"BTCUSDT","model":"none"})", 404, "NOT_FOUND", "model"},
           Case{R"({"user":"u1","symbol":"BTCUSDT","size":1})", 400, "INVALID_ARGUMENT", "size: no such field"},
           Case{R"({"user":"u1","model":"m","inputs":{"book":[1,2,3]}})", 400, "INVALID_ARGUMENT", "inputs.book"},
           Case{R"({"user":"u1","model":"m","inputs":{"book":{"dtype":"INT64","data":[1,2]}}})", 400,
                "INVALID_ARGUMENT", "inputs.book"},
           Case{R"({"user":"u1","model":"m","inputs":{"nope":[1,2]}})", 400, "INVALID_ARGUMENT", "inputs.nope"},
           Case{R"({"user":"u1","model":"m","inputs":{"book":[1,NaN]}})", 400, "INVALID_ARGUMENT", "inputs.book[1]"},
           Case{R"({"user":"u1","model":"m","inputs":{"book":[1,1e39]}})", 400, "INVALID_ARGUMENT", "inputs.book[1]"},
           Case{R"({"user":"u1","market":{"asks":[[1,1]],"bids":[[2,1]]}})", 400, "INVALID_ARGUMENT", "market"},
           Case{R"({"user":"u1","market":{"asks":[[1,-1]],"bids":[[0.5,1]]}})", 400, "INVALID_ARGUMENT", "asks[0][1]"},
       }) {
    const Reply reply = Predict(bad.body);
    EXPECT_EQ(reply.status, bad.status) << bad.body << reply.body;
    EXPECT_THAT(reply.body, HasSubstr(std::string(R"("code":")") + bad.code + '"')) << bad.body;
    EXPECT_THAT(reply.body, HasSubstr(bad.message)) << bad.body;
    ++refused[bad.code];
  }
  EXPECT_EQ(engine_->Stats().errors, refused);
  EXPECT_EQ(Predict(R"({"user":"u2","symbol":"BTCUSDT"})").status, 200) << "and the next one is answered";
}

TEST_F(ApiTest, MarketTakesOneBookOrOneALine) {
  EXPECT_EQ(Ask(Post("/v1/market/A", Book(1))).body, R"({"published":1})");
  EXPECT_EQ(Ask(Post("/v1/market/A", Book(2) + "\n")).body, R"({"published":1})");
  EXPECT_EQ(Ask(Post("/v1/market/A", Book(3) + "\r\n\n" + Book(4) + "\n")).body, R"({"published":2})");
  EXPECT_EQ(Ask(Post("/v1/market/A", Book(5), "Content-Type: application/x-ndjson; charset=utf-8\r\n")).body,
            R"({"published":1})");
  EXPECT_EQ(Ask(Post("/v1/market/A", "{\n\"seq\": 6,\n\"asks\": [[2,1]],\n\"bids\": [[1,1]]\n}\n")).body,
            R"({"published":1})");
  const Reply answer = Predict(R"({"user":"u2","symbol":"A","model":"m"})");
  EXPECT_EQ(engine_->Stats().snapshots, 6u) << answer.body;
}

TEST_F(ApiTest, ABadLineIsNamedAndThoseBeforeItStay) {
  const Reply reply =
      Ask(Post("/v1/market/A", Book(1) + "\n" + Book(2) + "\n{\"seq\":3,\"asks\":[[\"x\",1]]}\n" + Book(4)));
  EXPECT_EQ(reply.status, 400);
  EXPECT_EQ(
      reply.body,
      R"({"published":2,"error":{"code":"INVALID_ARGUMENT","message":"line 3: asks[0][0]: must be a number, not text"}})");
  EXPECT_EQ(boost::json::parse(Predict(R"({"user":"u2","symbol":"A"})").body).at("as_of").at("seq"), 2);
}

TEST_F(ApiTest, BadBooksHaveTheirStatus) {
  ASSERT_EQ(Ask(Post("/v1/market/A", Book(5))).status, 200);
  EXPECT_EQ(Ask(Post("/v1/market/A", Book(5))).status, 409);
  EXPECT_THAT(Ask(Post("/v1/market/A", Book(5))).body, HasSubstr(R"("code":"ALREADY_EXISTS")"));
  EXPECT_EQ(Ask(Post("/v1/market/A", Book(4))).status, 400);
  EXPECT_THAT(Ask(Post("/v1/market/A", Book(4))).body, HasSubstr(R"("code":"OUT_OF_RANGE")"));
  const Reply crossed = Ask(Post("/v1/market/A", R"({"seq":6,"asks":[[1,1]],"bids":[[2,1]]})"));
  EXPECT_EQ(crossed.status, 400);
  EXPECT_THAT(crossed.body, HasSubstr("INVALID_ARGUMENT"));
  EXPECT_EQ(Ask(Post("/v1/market/A", "\n\n", "Content-Type: application/x-ndjson\r\n")).status, 400);
}

TEST_F(ApiTest, SymbolsInThePathMayBeEscaped) {
  EXPECT_EQ(Ask(Post("/v1/market/BTC%2fUSD", Book(1))).status, 200);
  EXPECT_EQ(Predict(R"({"user":"u2","symbol":"BTC/USD"})").status, 200);
  for (const char* bad : {"", "%", "%2", "%zz", "a%00b", "%ff"})
    EXPECT_EQ(Ask(Post(std::string("/v1/market/") + bad, Book(1))).status, 400) << bad;
}

TEST_F(ApiTest, AForgottenSymbolMayStartAgain) {
  ASSERT_EQ(Ask(Post("/v1/market/A", Book(5))).status, 200);
  EXPECT_EQ(Ask("DELETE /v1/market/A HTTP/1.1\r\n\r\n").body, R"({"forgotten":true})");
  EXPECT_EQ(Ask(Post("/v1/market/A", Book(1))).status, 200);
  EXPECT_EQ(Ask("DELETE /v1/market/B HTTP/1.1\r\n\r\n").status, 404);
}

TEST_F(ApiTest, ModelsStatsAndMetrics) {
  ASSERT_EQ(Predict(R"({"user":"u2","market":)" + Book(2) + "}").status, 200);
  const auto models = boost::json::parse(Ask(Get("/v1/models")).body);
  EXPECT_EQ(models.at("models").at(0).at("name"), "m");
  EXPECT_EQ(models.at("models").at(0).at("serving"), true);
  const auto stats = boost::json::parse(Ask(Get("/v1/stats")).body);
  EXPECT_EQ(stats.at("tiers").at("patient").at("answered"), 1);
  EXPECT_EQ(stats.at("sources").at("model"), 1);
  const Reply metrics = Ask(Get("/metrics?from=scraper"));
  EXPECT_EQ(metrics.status, 200);
  EXPECT_THAT(metrics.head, HasSubstr("Content-Type: text/plain; version=0.0.4"));
  EXPECT_THAT(metrics.body, HasSubstr("punctual_http_connections 1"));
  EXPECT_THAT(metrics.body, HasSubstr(R"(punctual_http_responses_total{status="2xx"} 3)"));
}

TEST_F(ApiTest, APurgeNamesWhatItDrops) {
  ASSERT_EQ(Ask(Post("/v1/market/BTCUSDT", Book(5))).status, 200);
  const std::string question = R"({"user":"u2","symbol":"BTCUSDT"})";
  const auto source = [&] { return boost::json::parse(Predict(question).body).at("source"); };
  const auto purge = [&](const std::string& body) { return Ask(Post("/v1/cache/purge", body)); };
  EXPECT_EQ(source(), "model");
  EXPECT_EQ(purge(R"({"symbol":"ETHUSDT"})").body, R"({"id":1,"dropped_from_memory":0})");
  EXPECT_EQ(source(), "l1");
  EXPECT_EQ(purge(R"({"model":"m","symbol":"BTCUSDT"})").body, R"({"id":2,"dropped_from_memory":1})");
  EXPECT_EQ(source(), "model");
  EXPECT_EQ(purge(R"({"all":true})").body, R"({"id":3,"dropped_from_memory":1})");
  const Reply unknown = purge(R"({"model":"none"})");
  EXPECT_EQ(unknown.status, 404);
  EXPECT_THAT(unknown.body, HasSubstr(R"(no model \"none\" is served here)"));
  for (const char* body : {"{}", R"({"all":false})", R"({"all":true,"model":"m"})", R"({"all":1})", R"({"user":"u"})"})
    EXPECT_EQ(purge(body).status, 400) << body;
  EXPECT_EQ(Ask("GET /v1/cache/purge HTTP/1.1\r\nHost: x\r\n\r\n").status, 405);
  const auto cache = boost::json::parse(Ask("GET /v1/cache HTTP/1.1\r\nHost: x\r\n\r\n").body);
  EXPECT_EQ(cache.at("memory").at("hits"), 1);
  EXPECT_FALSE(cache.as_object().contains("redis"));
  const auto& last = cache.at("purges").as_array().back();
  EXPECT_EQ(last.at("what"), "all answers");
  EXPECT_EQ(last.at("memory").at("dropped"), 1);
}

TEST_F(ApiTest, APurgeIsNotTakenFromWebPages) {
  for (const char* from : {"Origin: http://evil.example\r\n", "origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n",
                           "sec-fetch-site: same-site\r\n"}) {
    const Reply reply = Ask(Post("/v1/cache/purge", R"({"all":true})", from));
    EXPECT_EQ(reply.status, 403) << from;
    EXPECT_THAT(reply.body, HasSubstr("PERMISSION_DENIED"));
  }
  EXPECT_EQ(Ask(Post("/v1/cache/purge", R"({"all":true})", "Sec-Fetch-Site: none\r\n")).status, 200);
}

TEST_F(ApiTest, BooksAreNotTakenFromWebPagesNorDropped) {
  const auto drop = [](const std::string& from) {
    return "DELETE /v1/market/BTCUSDT HTTP/1.1\r\nHost: x\r\n" + from + "\r\n";
  };
  ASSERT_EQ(Ask(Post("/v1/market/BTCUSDT", Book(5))).status, 200);
  for (const char* from : {"Origin: http://evil.example\r\n", "origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n",
                           "sec-fetch-site: same-site\r\n"}) {
    for (const std::string& request : {Post("/v1/market/BTCUSDT", Book(6), from), drop(from)}) {
      const Reply reply = Ask(request);
      EXPECT_EQ(reply.status, 403) << request;
      EXPECT_THAT(reply.body, HasSubstr("PERMISSION_DENIED"));
    }
  }
  // None of them came in, and none dropped what was there.
  EXPECT_EQ(Ask(Post("/v1/market/BTCUSDT", Book(5))).status, 409);
  EXPECT_EQ(Ask(Post("/v1/market/BTCUSDT", Book(6), "Sec-Fetch-Site: none\r\n")).status, 200);
  EXPECT_EQ(Ask(drop("Sec-Fetch-Site: none\r\n")).status, 200);
}

TEST_F(ApiTest, HealthAndReadiness) {
  EXPECT_EQ(Ask(Get("/healthz")).status, 200);
  EXPECT_EQ(Ask(Get("/readyz?probe=1")).status, 200);
}

TEST_F(ApiTest, IsNotReadyWithoutAModel) {
  server_.reset();
  engine_.reset();
  repository_.Remove("m");
  Start();
  EXPECT_EQ(Ask(Get("/healthz")).status, 200);
  EXPECT_EQ(Ask(Get("/readyz")).status, 503);
  EXPECT_EQ(Predict(R"({"user":"u2","market":)" + Book(2) + "}").status, 404);
}

TEST_F(ApiTest, OtherPathsMethodsAndParametersAreRefused) {
  EXPECT_EQ(Ask(Get("/")).status, 404);
  EXPECT_EQ(Ask(Get("/v1/predictions")).status, 404);
  const Reply get = Ask(Get("/v1/predict"));
  EXPECT_EQ(get.status, 405);
  EXPECT_THAT(get.head, HasSubstr("Allow: POST\r\n"));
  EXPECT_EQ(get.body, Text(Code::kInvalidArgument, "method: /v1/predict takes POST alone"));
  EXPECT_THAT(Ask(Get("/v1/market/A")).head, HasSubstr("Allow: POST, DELETE\r\n"));
  EXPECT_THAT(Ask(Post("/metrics", "")).head, HasSubstr("Allow: GET, HEAD\r\n"));
  EXPECT_EQ(Ask(Post("/v1/predict?deadline_ms=5", "{}")).status, 400);
  EXPECT_EQ(Ask(Post("/v1/predict", "{}", "Content-Encoding: gzip\r\n")).status, 415);
  EXPECT_EQ(Ask(Get("http://host/healthz")).status, 200) << "as through a proxy";
}

TEST_F(ApiTest, TheCostOfRepliesReachesTheEngine) {
  for (int i = 0; i < 50; ++i) ASSERT_EQ(Predict(R"({"user":"u2","market":)" + Book(2) + "}").status, 200);
  std::string metrics;
  for (int i = 0; i < 1000 && metrics.find("punctual_reply_seconds_count 50") == std::string::npos; ++i) {
    metrics = Ask(Get("/metrics")).body;  // the last one is recorded just after it was written
  }
  EXPECT_THAT(metrics, HasSubstr("punctual_reply_seconds_count 50"));
}

}  // namespace
}  // namespace punctual::http
