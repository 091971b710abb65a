// How the server begins, bounds its connections and ends, over real sockets.
#include "server/http/http_server.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <thread>
#include <vector>

#include "base/threads.h"
#include "server/http/server_under_test.h"
#include "telemetry/registry.h"

namespace punctual::http {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;
using ::testing::Not;

using HttpServerTest = ServerTest;

TEST_F(HttpServerTest, ConnectionsOverTheBoundGet503AndThoseOpenGoOn) {
  options_.max_connections = 3;
  Start();
  {
    std::vector<Client> open;
    for (int i = 0; i < 3; ++i) {
      open.push_back(Connect());
      ASSERT_EQ(open.back().Ask(Get("/healthz")).status, 200);
    }
    Client fourth = Connect();
    const Reply reply = fourth.Read();
    EXPECT_EQ(reply.status, 503);
    EXPECT_THAT(reply.body, HasSubstr("RESOURCE_EXHAUSTED"));
    EXPECT_TRUE(fourth.IsClosed());
    for (Client& client : open) EXPECT_EQ(client.Ask(Get("/healthz")).status, 200);
  }
  Reply reply;
  for (int i = 0; i < 1000 && reply.status != 200; ++i) {  // until the server has seen them leave
    reply = Connect().Ask(Get("/healthz"));
    std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_EQ(reply.status, 200);
}

TEST_F(HttpServerTest, AnAddressHasNoMoreConnectionsThanItMayAndAUnixSocketHasNone) {
  options_.max_connections_per_address = 2;
  options_.unix_socket = repository_.path() + "/p.sock";
  Start();
  Client first = Connect();
  ASSERT_EQ(first.Ask(Get("/healthz")).status, 200);
  {
    Client second = Connect();
    ASSERT_EQ(second.Ask(Get("/healthz")).status, 200);
    Client third = Connect();
    const Reply reply = third.Read();
    EXPECT_EQ(reply.status, 503);
    EXPECT_THAT(reply.body, HasSubstr("max_connections_per_address"));
    EXPECT_TRUE(third.IsClosed());
  }
  Reply reply;
  for (int i = 0; i < 1000 && reply.status != 200; ++i) {  // until the server has seen the second leave
    reply = Connect().Ask(Get("/healthz"));
    std::this_thread::sleep_for(milliseconds(1));
  }
  EXPECT_EQ(reply.status, 200);
  std::vector<Client> local;
  for (int i = 0; i < 4; ++i) {
    local.push_back(Client::Unix(options_.unix_socket));
    EXPECT_EQ(local.back().Ask(Get("/healthz")).status, 200);
  }
}

TEST_F(HttpServerTest, ManyConnectionsAtOnceAreAllAnswered) {
  Start();
  ASSERT_EQ(Connect().Ask(Post("/v1/market/S", Book(1))).status, 200);
  std::vector<Client> clients;
  for (int i = 0; i < 400; ++i) clients.push_back(Connect());
  for (int round = 0; round < 3; ++round) {
    for (Client& client : clients) ASSERT_TRUE(client.Send(Post("/v1/predict", R"({"user":"u2","symbol":"S"})")));
    for (Client& client : clients) ASSERT_EQ(client.Read().status, 200);
  }
}

TEST_F(HttpServerTest, SpinningThreadsAnswerAndEndAsSleepingOnesDo) {
  options_.spin = milliseconds(1);
  options_.io_threads = 1;
  AddGatedModel();
  Start();
  const auto spins = [&] {
    const std::string text = engine_->metrics().PrometheusText(), name = "punctual_http_spins_total{result=\"found\"} ";
    return std::stod(text.substr(text.find("\n" + name) + 1 + name.size()));
  };
  std::vector<Client> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(Connect());
  for (std::uint64_t i = 1; i <= 4; ++i) ASSERT_EQ(Connect().Ask(PredictGated(i)).status, 200);  // a worker's
  // One close after the other, until looks have found something.
  do {
    for (int i = 0; i < 50; ++i)
      for (Client& client : clients) ASSERT_TRUE(client.Send(Get("/healthz")));
    for (int i = 0; i < 50; ++i)
      for (Client& client : clients) ASSERT_EQ(client.Read().status, 200);
  } while (spins() == 0 && !HasCpuQuota());
  server_->Shutdown();
  EXPECT_FALSE(Connect().connected());
}

TEST_F(HttpServerTest, ShutdownFinishesWhatWasAdmittedAndClosesTheRest) {
  AddGatedModel();
  Start();
  Client busy = Connect();
  Client idle = Connect();
  Client half = Connect();
  ASSERT_EQ(idle.Ask(Get("/healthz")).status, 200);
  ASSERT_TRUE(half.Send("POST /v1/predict HTTP/1.1\r\nContent-Length: 100\r\n\r\n{"));
  ASSERT_EQ(busy.Ask(Get("/healthz")).status, 200);
  std::string requests;
  for (std::uint64_t i = 1; i <= 5; ++i) requests += PredictGated(i);
  gate_.Close();
  ASSERT_TRUE(busy.Send(requests));
  AwaitQueued(4);
  std::thread stopper([&] { server_->Shutdown(); });
  EXPECT_TRUE(idle.IsClosed());  // so the shutdown has begun
  gate_.Open();
  for (int i = 1; i <= 5; ++i) {
    const Reply reply = busy.Read();
    EXPECT_EQ(reply.status, 200) << i;
    EXPECT_THAT(reply.body, HasSubstr(R"("seq":)" + std::to_string(i)));
    if (i == 5) {
      EXPECT_THAT(reply.head, HasSubstr("Connection: close"));
    } else {
      EXPECT_THAT(reply.head, Not(HasSubstr("Connection: close")));
    }
  }
  EXPECT_TRUE(busy.IsClosed());
  EXPECT_TRUE(half.IsClosed());
  { const Client closes_now = std::move(busy); }
  stopper.join();
  EXPECT_FALSE(Connect().connected());
}

TEST_F(HttpServerTest, ShutdownWaitsNoLongerThanItsTimeout) {
  options_.shutdown_timeout = milliseconds(100);
  options_.write_timeout = std::chrono::seconds(60);
  Start();
  Client lazy = Connect();
  lazy.ReceiveLittle();
  std::string requests;
  for (int i = 0; i < 400; ++i) requests += Get("/metrics");
  std::thread sender([&] {
    while (lazy.Send(requests)) {
    }
  });
  std::this_thread::sleep_for(milliseconds(200));
  const auto began = std::chrono::steady_clock::now();
  server_->Shutdown();
  EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
  sender.join();
}

TEST_F(HttpServerTest, SpeaksOverAUnixSocketToo) {
  options_.unix_socket = repository_.path() + "/p.sock";
  Start();
  EXPECT_THAT(server_->listeners(), ::testing::ElementsAre("http://127.0.0.1:" + std::to_string(server_->port()),
                                                           "unix:" + options_.unix_socket));
  Client client = Client::Unix(options_.unix_socket);
  EXPECT_EQ(client.Ask(Post("/v1/market/S", Book(1))).body, R"({"published":1})");
  EXPECT_THAT(client.Ask(Post("/v1/predict", R"({"user":"u2","symbol":"S"})")).body, HasSubstr(R"("source":"model")"));
  auto second = HttpServer::Start(*engine_, {.listen = "", .unix_socket = options_.unix_socket});
  ASSERT_TRUE(second.has_error());
  EXPECT_EQ(second.error().code, Code::kAlreadyExists);
  server_->Shutdown();
  EXPECT_FALSE(std::filesystem::exists(options_.unix_socket));
}

TEST_F(HttpServerTest, AUnixSocketLeftBehindIsReplacedAndAFileIsNot) {
  Start();
  const std::string path = repository_.path() + "/p.sock";
  {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(fd, static_cast<const sockaddr*>(static_cast<const void*>(&address)), sizeof address), 0);
    ::close(fd);
  }
  {
    auto server = HttpServer::Start(*engine_, {.listen = "", .unix_socket = path});
    ASSERT_TRUE(server.has_value()) << server.error().message;
    EXPECT_EQ(Client::Unix(path).Ask(Get("/healthz")).status, 200);
  }
  repository_.Write("p.sock", "precious");
  auto server = HttpServer::Start(*engine_, {.listen = "", .unix_socket = path});
  ASSERT_TRUE(server.has_error());
  EXPECT_THAT(server.error().message, HasSubstr("is no socket"));
}

TEST_F(HttpServerTest, WhatCannotBeListenedOnIsNamed) {
  Start();
  const auto refusal = [&](const std::string& listen) {
    auto server = HttpServer::Start(*engine_, {.listen = listen});
    return server.has_error() ? server.error() : Error{Code::kOk, ""};
  };
  const std::string taken = "127.0.0.1:" + std::to_string(server_->port());
  EXPECT_EQ(refusal(taken).code, Code::kUnavailable);
  EXPECT_THAT(refusal(taken).message, HasSubstr(taken));
  for (const char* bad : {"8080", ":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000"})
    EXPECT_EQ(refusal(bad).code, Code::kInvalidArgument) << bad;
}

}  // namespace
}  // namespace punctual::http
