// The generator against a server on real sockets that stalls, refuses, closes or does not answer.
#include "load/load.h"

#include <gtest/gtest.h>

#include <chrono>
#include <mutex>
#include <set>
#include <thread>

#include "load/test_server.h"
#include "load/users.h"

namespace punctual::load {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

const std::string kAnswer = TestResponse(200, R"({"outputs":{"p":[1]},"source":"l1","degraded":false})");
const std::atomic<bool> kNoStop = false;

LoadOptions Options(const TestServer& server) {
  LoadOptions options{.to = server.address(),
                      .rate = 1000,
                      .arrivals = Arrivals::kFixed,
                      .duration = milliseconds(500),
                      .timeout = seconds(5),
                      .connections = 10};
  options.users = MakeUsers(10, options.tiers);
  options.symbols = {"SIM1", "SIM2"};
  return options;
}

LoadReport ReportOf(const LoadOptions& options, const std::atomic<bool>& stop = kNoStop) {
  return RunLoad(options, stop, [](const LoadProgress&) {}).value();
}

TEST(LoadTest, EveryRequestIsCountedOnceWithItsSourceTierAndUser) {
  std::mutex mutex;
  std::set<std::string> bodies;
  TestServer server([&](const TestRequest& request) {
    const std::lock_guard lock(mutex);
    bodies.insert(request.body);
    EXPECT_EQ(request.method + " " + request.path, "POST /v1/predict");
    return kAnswer;
  });
  const LoadReport report = ReportOf(Options(server));
  EXPECT_EQ(report.stats.sent(), 500u);
  EXPECT_EQ(report.stats.answered(), 500u);
  EXPECT_EQ(report.stats.sources.Of("l1"), 500u);
  EXPECT_EQ(report.stats.unanswered() + report.stats.errors.Sum(), 0u);
  EXPECT_EQ(report.stats.tiers[0].sent, 200u);  // u1, u4, u7 and u10 of ten users
  EXPECT_EQ(report.stats.tiers[1].sent, 150u);
  EXPECT_EQ(bodies.size(), 20u);  // every user asked for both symbols
  EXPECT_EQ(server.accepted(), 10);
  EXPECT_EQ(report.duration, milliseconds(500));
  EXPECT_GT(report.stats.cpu.count(), 0);
  EXPECT_EQ(report.stats.lateness.count(), 500u);
}

TEST(LoadTest, LatencyCountsFromWhenARequestWasDueAlsoWhileTheServerStalls) {
  int count = 0;
  TestServer server([&](const TestRequest&) {
    if (++count == 250) std::this_thread::sleep_for(milliseconds(200));
    return kAnswer;
  });
  LoadOptions options = Options(server);
  options.rate = 500;
  options.duration = seconds(1);
  const LoadReport report = ReportOf(options);
  const Histogram latency = report.stats.latency();
  ASSERT_EQ(report.stats.answered(), 500u);
  EXPECT_GE(latency.max(), milliseconds(195));
  // 500 a second: 100 came due during the stall, one after the other, though no connection could send them. Three
  // quarters of these waited more than 50 ms. Had each user waited for its answer before it asked again, ten would
  // have.
  const std::uint64_t slow = latency.count() - latency.CountUpTo(milliseconds(50));
  EXPECT_GE(slow, 65u);
  EXPECT_LT(report.stats.within[0], 430u);
}

TEST(LoadTest, WindowsDivideTheMeasuredPartByWhenRequestsWereDue) {
  int count = 0;
  TestServer server([&](const TestRequest&) {
    return ++count > 400 ? TestResponse(503, "{}") : kAnswer;  // 100 of the warm-up, then three of five windows
  });
  LoadOptions options = Options(server);
  options.warmup = milliseconds(100);
  options.report_window = milliseconds(100);
  // One connection: the server sees the requests in the order in which they were due.
  options.connections = 1;
  const LoadReport report = ReportOf(options);
  ASSERT_EQ(report.stats.windows.size(), 5u);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(report.stats.windows[i].sent, 100u) << i;
    EXPECT_EQ(report.stats.windows[i].errors, i < 3 ? 0u : 100u) << i;
    EXPECT_EQ(report.stats.windows[i].unanswered, 0u) << i;
  }
}

TEST(LoadTest, UsersShareConnectionsAndWaitForThem) {
  TestServer server([&](const TestRequest&) { return kAnswer; });
  LoadOptions options = Options(server);
  options.connections = 3;
  const LoadReport report = ReportOf(options);
  EXPECT_EQ(report.stats.answered(), 500u);
  EXPECT_EQ(server.accepted(), 3);
}

TEST(LoadTest, WhatIsDueOnABusyConnectionGoesOverAFreeOneOfItsUser) {
  bool first = true;
  TestServer server([&](const TestRequest&) -> std::optional<std::string> {
    if (std::exchange(first, false)) return std::nullopt;
    return kAnswer;
  });
  LoadOptions options = Options(server);
  options.users = MakeUsers(1, options.tiers);
  options.connections = 2;
  options.rate = 100;
  options.timeout = seconds(2);
  const LoadReport report = ReportOf(options);
  EXPECT_EQ(report.stats.timed_out, 1u);  // those behind it on its connection, every other one, would be so too
  EXPECT_EQ(report.stats.answered() + 1, report.stats.sent());
}

TEST(LoadTest, ThreadsDivideTheLoad) {
  TestServer server([&](const TestRequest&) { return kAnswer; });
  LoadOptions options = Options(server);
  options.threads = 3;
  const LoadReport report = ReportOf(options);
  EXPECT_NEAR(static_cast<double>(report.stats.sent()), 500, 3);
  EXPECT_EQ(report.stats.answered(), report.stats.sent());
  EXPECT_EQ(server.accepted(), 10);
}

TEST(LoadTest, RequestsWithoutAResponseAreUnansweredAndTheConnectionIsReplaced) {
  int count = 0;
  TestServer server([&](const TestRequest&) -> std::optional<std::string> {
    if (++count % 100 == 0) return std::nullopt;
    return kAnswer;
  });
  LoadOptions options = Options(server);
  options.timeout = milliseconds(300);
  const LoadReport report = ReportOf(options);
  EXPECT_EQ(report.stats.sent(), 500u);
  EXPECT_EQ(report.stats.answered() + report.stats.unanswered(), 500u);
  // What was due behind the lost one waited for it and ran out of time too, until the connection was replaced.
  EXPECT_GE(report.stats.timed_out, 4u);
  EXPECT_EQ(report.stats.connection_lost, 0u);
  EXPECT_GE(server.accepted(), 12);
}

TEST(LoadTest, ClosedConnectionsLoseTheirRequestAndAreOpenedAgain) {
  int count = 0;
  TestServer server([&](const TestRequest&) -> std::optional<std::string> { return ++count % 50 == 0 ? "" : kAnswer; });
  const LoadReport report = ReportOf(Options(server));
  EXPECT_EQ(report.stats.sent(), 500u);
  EXPECT_EQ(report.stats.connection_lost, 10u);
  EXPECT_EQ(report.stats.answered(), 490u);
  EXPECT_GE(server.accepted(), 19);
}

TEST(LoadTest, AResponseThatClosesTheConnectionIsStillAnAnswer) {
  TestServer server([&](const TestRequest&) { return TestResponse(200, "{}", "Connection: close\r\n"); });
  const LoadReport report = ReportOf(Options(server));
  EXPECT_EQ(report.stats.answered(), 500u);
  EXPECT_GE(server.accepted(), 500);
}

TEST(LoadTest, ErrorsAreCountedByStatusAndCodeAndAreNotInTime) {
  int count = 0;
  TestServer server([&](const TestRequest&) {
    return ++count % 5 == 0 ? TestResponse(503, R"({"error":{"code":"UNAVAILABLE","message":"no rung"}})") : kAnswer;
  });
  const LoadReport report = ReportOf(Options(server));
  EXPECT_EQ(report.stats.errors.Of("503 UNAVAILABLE"), 100u);
  EXPECT_EQ(report.stats.answered(), 400u);
  EXPECT_LE(report.stats.within[2], 400u);
}

TEST(LoadTest, WhatIsNotHttpIsAnError) {
  TestServer server([&](const TestRequest&) { return "+PONG\r\n\r\n"; });
  LoadOptions options = Options(server);
  options.rate = 100;
  const LoadReport report = ReportOf(options);
  EXPECT_EQ(report.stats.errors.Of("not an HTTP response"), 50u);
}

TEST(LoadTest, ChunkedResponsesAreRead) {
  TestServer server([&](const TestRequest&) {
    return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{\"source\"\r\n7\r\n:\"l2\"}\n\r\n0\r\n\r\n";
  });
  const LoadReport report = ReportOf(Options(server));
  EXPECT_EQ(report.stats.sources.Of("l2"), 500u);
}

TEST(LoadTest, TheWarmUpIsNotCounted) {
  std::atomic<int> count = 0;
  TestServer server([&](const TestRequest&) {
    ++count;
    return kAnswer;
  });
  LoadOptions options = Options(server);
  options.warmup = milliseconds(250);
  options.duration = milliseconds(250);
  const LoadReport report = ReportOf(options);
  EXPECT_EQ(report.stats.sent(), 250u);
  EXPECT_EQ(count, 500);
}

TEST(LoadTest, LargeRequestsOverAUnixSocketArriveWhole) {
  std::atomic<std::size_t> smallest = SIZE_MAX;
  TestServer server(
      [&](const TestRequest& request) {
        smallest = std::min(smallest.load(), request.body.size());
        EXPECT_TRUE(request.body.ends_with("]}}"));
        return kAnswer;
      },
      testing::TempDir() + "load_test.sock");
  LoadOptions options = Options(server);
  options.kind = RequestKind::kTensors;
  options.model = "m";
  options.shape = {1, 100'000};
  options.rate = 40;
  const LoadReport report = ReportOf(options);
  EXPECT_EQ(report.stats.answered(), 20u);
  EXPECT_GT(smallest, 600'000u);
}

TEST(LoadTest, AStopEndsTheRunWithAReportOfWhatThereWas) {
  TestServer server([&](const TestRequest&) { return kAnswer; });
  LoadOptions options = Options(server);
  options.duration = seconds(60);
  std::atomic<bool> stop = false;
  std::thread stopper([&] {
    std::this_thread::sleep_for(milliseconds(400));
    stop = true;
  });
  const LoadReport report = ReportOf(options, stop);
  stopper.join();
  EXPECT_LT(report.duration, seconds(5));
  EXPECT_GT(report.stats.sent(), 50u);
  EXPECT_EQ(report.stats.answered(), report.stats.sent());
}

TEST(LoadTest, ProgressIsToldWhileItRuns) {
  TestServer server([&](const TestRequest&) { return kAnswer; });
  LoadOptions options = Options(server);
  options.duration = milliseconds(2200);
  std::vector<std::uint64_t> sent;
  const auto report =
      RunLoad(options, kNoStop, [&](const LoadProgress& progress) { sent.push_back(progress.stats.sent()); });
  EXPECT_GE(sent.size(), 2u);
  EXPECT_GT(sent.back(), 300u);
  EXPECT_LT(sent.back(), report->stats.sent());
}

TEST(LoadTest, AServerThatIsNotThereIsNamed) {
  LoadOptions options;
  options.to = "http://127.0.0.1:1";
  options.users = MakeUsers(2, options.tiers);
  options.symbols = {"SIM1"};
  const auto report = RunLoad(options, kNoStop, [](const LoadProgress&) {});
  ASSERT_TRUE(report.has_error());
  EXPECT_EQ(report.error().code, Code::kUnavailable);
  EXPECT_EQ(
      report.error().message,
      "2 of 2 connections could not be opened: cannot connect to http://127.0.0.1:1: Connection refused; is a server "
      "listening there?");
}

TEST(LoadTest, OptionsAreCheckedAndNamed) {
  const auto error = [](auto change) {
    LoadOptions options;
    options.users = MakeUsers(2, options.tiers);
    options.symbols = {"SIM1"};
    change(options);
    const auto report = RunLoad(options, kNoStop, [](const LoadProgress&) {});
    return report.has_error() ? report.error().message.substr(0, report.error().message.find(':')) : "no error";
  };
  EXPECT_EQ(error([](LoadOptions& o) { o.rate = 0; }), "--rate");
  EXPECT_EQ(error([](LoadOptions& o) { o.duration = {}; }), "--duration");
  EXPECT_EQ(error([](LoadOptions& o) { o.threads = 3; }), "--threads");
  EXPECT_EQ(error([](LoadOptions& o) { o.zipf = -1; }), "--zipf");
  EXPECT_EQ(error([](LoadOptions& o) { o.report_window = Duration(1000); }), "--windows");
  EXPECT_EQ(error([](LoadOptions& o) { o.connections = 2'000'000'000; }), "--connections");
  EXPECT_EQ(error([](LoadOptions& o) { o.to = "ftp://x"; }), "address \"ftp");
}

}  // namespace
}  // namespace punctual::load
