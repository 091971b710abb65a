#include "load/feed.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>
#include <thread>

#include "load/test_server.h"

namespace punctual::load {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const std::atomic<bool> kNoStop = false;

// A server that keeps the sequences of the books it was sent, with the rules of the real one.
class BookServer {
 public:
  explicit BookServer(int port = 0) {
    server_ = std::make_unique<TestServer>([this](const TestRequest& request) { return Answer(request); }, port);
  }

  std::vector<std::uint64_t> Sequences(const std::string& symbol) const {
    const std::lock_guard lock(mutex_);
    const auto found = books_.find("/v1/market/" + symbol);
    return found == books_.end() ? std::vector<std::uint64_t>() : found->second;
  }
  TestServer& server() { return *server_; }
  int posts() const { return posts_; }
  void CloseAfterTaking(int post) { close_after_ = post; }

 private:
  std::optional<std::string> Answer(const TestRequest& request) {
    const std::lock_guard lock(mutex_);
    std::vector<std::uint64_t>& books = books_[request.path];
    if (request.method == "DELETE") {
      books.clear();
      return TestResponse(200, "{}");
    }
    std::istringstream lines(request.body);
    std::size_t published = 0;
    for (std::string line; std::getline(lines, line); ++published) {
      const auto sequence = boost::json::parse(line).at("seq").to_number<std::uint64_t>();
      if (!books.empty() && sequence <= books.back())
        return TestResponse(409,
                            "{\"published\":" + std::to_string(published) +
                                ",\"error\":{\"code\":\"ALREADY_EXISTS\",\"message\":\"line 1: seq: was published\"}}");
      books.push_back(sequence);
    }
    if (++posts_ == close_after_) return "";
    return TestResponse(200, "{\"published\":" + std::to_string(published) + "}");
  }

  mutable std::mutex mutex_;
  std::map<std::string, std::vector<std::uint64_t>> books_;
  std::atomic<int> posts_ = 0;
  std::atomic<int> close_after_ = -1;
  std::unique_ptr<TestServer> server_;
};

// `count` books of each of `symbols` symbols, one every `gap`.
NextBook Source(std::size_t symbols, std::uint64_t count, Duration gap) {
  return [=, at = std::uint64_t{0}]() mutable -> Result<std::optional<FeedBook>> {
    if (at == count * symbols) return std::optional<FeedBook>();
    FeedBook next{.symbol = at % symbols, .at = seconds(1000) + gap * static_cast<std::int64_t>(at / symbols)};
    next.book.sequence = ++at;
    next.book.level_count = 1;
    next.book.levels[0] = {101, 1, 100, 1};
    return std::optional(next);
  };
}

TEST(FeedTest, TheReportSaysOfHowLateBooksWereOnlyWhereSomeWereDue) {
  FeedReport report;
  report.elapsed = milliseconds(40);
  report.published = 289;
  EXPECT_EQ(FeedText(report), "0.04 s: 289 books published");
  report.published = 1;
  report.elapsed = seconds(12);
  report.delay.Record(milliseconds(2));
  EXPECT_TRUE(FeedText(report).starts_with("12 s: 1 book published, p99 2.")) << FeedText(report);
}

TEST(FeedTest, PublishesInOrderAtTheSourcesPace) {
  BookServer server;
  const FeedOptions options{.to = server.server().address(), .symbols = {"A", "B"}};
  const auto report = RunFeed(options, Source(2, 20, milliseconds(20)), kNoStop, [](const FeedReport&) {}).value();
  EXPECT_EQ(report.published, 40u);
  EXPECT_EQ(report.refused, 0u);
  EXPECT_EQ(server.Sequences("A").size(), 20u);
  EXPECT_EQ(server.Sequences("B").back(), 40u);
  EXPECT_GE(report.elapsed, milliseconds(375));
  EXPECT_LT(report.elapsed, seconds(3));
  EXPECT_EQ(report.delay.count(), 40u);
}

TEST(FeedTest, SpeedScalesThePaceAndBatchesWhatIsDue) {
  BookServer server;
  const FeedOptions options{.to = server.server().address(), .symbols = {"A"}, .speed = 1e6};
  const auto report = RunFeed(options, Source(1, 5000, seconds(1)), kNoStop, [](const FeedReport&) {}).value();
  EXPECT_EQ(report.published, 5000u);
  EXPECT_LT(report.elapsed, seconds(5));
  EXPECT_LT(server.posts(), 2500);
}

TEST(FeedTest, PrefillIsPublishedAtOnceAndThePaceBeginsBehindIt) {
  BookServer server;
  const FeedOptions options{.to = server.server().address(), .symbols = {"A", "B"}, .prefill = 1000};
  const auto report = RunFeed(options, Source(2, 1005, milliseconds(20)), kNoStop, [](const FeedReport&) {}).value();
  EXPECT_EQ(report.published, 2010u);
  EXPECT_EQ(report.delay.count(), 10u);
  EXPECT_LT(report.elapsed, seconds(2));
}

TEST(FeedTest, DurationEndsIt) {
  BookServer server;
  const FeedOptions options{.to = server.server().address(), .symbols = {"A"}, .duration = milliseconds(200)};
  const auto report =
      RunFeed(options, Source(1, 1'000'000, milliseconds(10)), kNoStop, [](const FeedReport&) {}).value();
  EXPECT_LE(report.published, 20u);
  EXPECT_GE(report.published, 10u);
}

TEST(FeedTest, AFeedStartsASymbolAnew) {
  BookServer server;
  const FeedOptions options{.to = server.server().address(), .symbols = {"BTC/USD"}, .speed = 1e6};
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(RunFeed(options, Source(1, 10, seconds(1)), kNoStop, [](const FeedReport&) {}).value().refused, 0u);
  EXPECT_EQ(server.Sequences("BTC%2FUSD").size(), 10u);
}

TEST(FeedTest, WhatWasNotConfirmedIsSentAgainAndNothingIsLost) {
  BookServer server;
  server.CloseAfterTaking(3);
  const FeedOptions options{.to = server.server().address(), .symbols = {"A"}, .prefill = 900};
  const auto report = RunFeed(options, Source(1, 900, seconds(0)), kNoStop, [](const FeedReport&) {}).value();
  EXPECT_EQ(report.reconnects, 1u);
  EXPECT_GT(report.refused, 0u);  // taken before the connection was lost
  EXPECT_EQ(report.published + report.refused, 900u);
  const auto sequences = server.Sequences("A");
  ASSERT_EQ(sequences.size(), 900u);
  for (std::size_t i = 0; i < sequences.size(); ++i) EXPECT_EQ(sequences[i], i + 1);
}

TEST(FeedTest, AServerThatComesBackIsFedOn) {
  auto server = std::make_unique<BookServer>();
  const int port = server->server().port();
  const FeedOptions options{.to = server->server().address(), .symbols = {"A"}};
  std::thread restart([&] {
    std::this_thread::sleep_for(milliseconds(200));
    server.reset();
    std::this_thread::sleep_for(milliseconds(200));
    server = std::make_unique<BookServer>(port);
  });
  const auto report = RunFeed(options, Source(1, 100, milliseconds(10)), kNoStop, [](const FeedReport&) {});
  restart.join();
  ASSERT_TRUE(report.has_value()) << report.error().message;
  EXPECT_GE(report->reconnects, 1u);
  EXPECT_EQ(server->Sequences("A").back(), 100u);
}

TEST(FeedTest, PatienceEnds) {
  auto server = std::make_unique<BookServer>();
  FeedOptions options{.to = server->server().address(), .symbols = {"A"}, .patience = milliseconds(100)};
  std::thread stopper([&] {
    std::this_thread::sleep_for(milliseconds(100));
    server.reset();
  });
  const auto report = RunFeed(options, Source(1, 1000, milliseconds(10)), kNoStop, [](const FeedReport&) {});
  stopper.join();
  ASSERT_TRUE(report.has_error());
  EXPECT_EQ(report.error().code, Code::kUnavailable);
}

TEST(FeedTest, RefusalsAndMissingServersAreErrors) {
  TestServer server([](const TestRequest& request) {
    if (request.method == "DELETE") return TestResponse(404, "{}");
    return TestResponse(400,
                        R"({"published":0,"error":{"code":"INVALID_ARGUMENT","message":"line 1: asks[0][0]: bad"}})");
  });
  FeedOptions options{.to = server.address(), .symbols = {"A"}};
  auto report = RunFeed(options, Source(1, 3, milliseconds(1)), kNoStop, [](const FeedReport&) {});
  EXPECT_EQ(report.error().message, server.address() +
                                        "/v1/market/A: the server refuses it: INVALID_ARGUMENT: line 1: "
                                        "asks[0][0]: bad");
  options.to = "http://127.0.0.1:1";
  report = RunFeed(options, Source(1, 3, milliseconds(1)), kNoStop, [](const FeedReport&) {});
  EXPECT_EQ(report.error().code, Code::kUnavailable);
}

}  // namespace
}  // namespace punctual::load
