#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <deque>

#include "cache/redis/command.h"
#include "cache/redis/redis_under_test.h"
#include "support/redis_server.h"

namespace punctual::test {
namespace {

namespace net = boost::asio;
using net::ip::tcp;

// A network that is slow or loses everything: passes bytes between a port of its own and a server.
class BadNetwork {
 public:
  explicit BadNetwork(int to) : to_(to) {
    Accept();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~BadNetwork() {
    net::post(io_, [this] { io_.stop(); });
    thread_.join();
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()); }

  std::atomic<int> delay_ms = 0;  // of what the server answers
  std::atomic<bool> drops = false;

 private:
  struct Pipe : std::enable_shared_from_this<Pipe> {
    Pipe(BadNetwork& network, tcp::socket socket)
        : net_(network), client(std::move(socket)), server(network.io_), timer(network.io_) {}
    void Start() {
      server.async_connect({net::ip::address_v4::loopback(), static_cast<std::uint16_t>(net_.to_)},
                           [self = shared_from_this()](const auto& error) {
                             if (error) return;
                             self->Read(self->client, self->server, self->up, false);
                             self->Read(self->server, self->client, self->down, true);
                           });
    }
    void Read(tcp::socket& from, tcp::socket& to, std::array<char, 65536>& buffer, bool slow) {
      from.async_read_some(net::buffer(buffer), [=, this, &from, &to, &buffer, self = shared_from_this()](
                                                    const auto& error, std::size_t size) {
        if (error) {
          boost::system::error_code ignored;
          to.close(ignored);
          return;
        }
        if (net_.drops) return Read(from, to, buffer, slow);
        const auto write = [=, this, &from, &to, &buffer](const boost::system::error_code&) {
          net::async_write(to, net::buffer(buffer.data(), size),
                           [=, this, &from, &to, &buffer, keep = self](const auto& failed, std::size_t) {
                             if (!failed) Read(from, to, buffer, slow);
                           });
        };
        if (!slow || net_.delay_ms == 0) return write({});
        timer.expires_after(std::chrono::milliseconds(net_.delay_ms));
        timer.async_wait(write);
      });
    }
    BadNetwork& net_;
    tcp::socket client, server;
    net::steady_timer timer;
    std::array<char, 65536> up, down;
  };
  void Accept() {
    acceptor_.async_accept([this](const auto& error, tcp::socket socket) {
      if (error) return;
      std::make_shared<Pipe>(*this, std::move(socket))->Start();
      Accept();
    });
  }

  const int to_;
  net::io_context io_{1};
  tcp::acceptor acceptor_{io_, {net::ip::address_v4::loopback(), 0}};
  std::thread thread_;
};

RedisOptions Quick(const std::string& node) {
  RedisOptions options = Options({node});
  options.timeout = 30ms;
  return options;
}

// Asks until the node is left alone; how many had to wait for that.
int AskUntilSkipped(RedisCache& cache) {
  for (int waited = 0;; ++waited)
    if (waited == 1000 || Ask(cache, 1).result == RedisLookUp::kSkipped) return waited;
}

TEST(RedisFaultTest, AHungNodeIsSkippedAtOnceAndComesBack) {
  RedisServer server;
  auto cache = OpenAndWait(Quick(server.address()));
  ASSERT_TRUE(PutAndWait(*cache, 1, "record"));
  server.Stop();
  const int waited = AskUntilSkipped(*cache);
  EXPECT_GE(waited, 1);
  EXPECT_LE(waited, 5) << "so many look-ups in a row are enough";
  EXPECT_FALSE(cache->available());
  for (int i = 0; i < 100; ++i) {
    bool called = false;
    cache->Get({1, 1}, kSubject, TimePoint::max(), [&](RedisLookUp, std::string_view) { called = true; });
    EXPECT_TRUE(called) << "before Get returns";
  }
  EXPECT_LE(cache->Stats().timeouts, 5u);
  server.Continue();
  EXPECT_TRUE(WaitFor([&] { return cache->available(); }));
  EXPECT_TRUE(WaitFor([&] { return Ask(*cache, 1).bytes == "record"; }));
}

TEST(RedisFaultTest, AHungNodeThatNobodyAsksIsFoundByItsPing) {
  RedisServer server;
  RedisOptions options = Quick(server.address());
  options.ping_interval = 50ms;
  auto cache = OpenAndWait(options);
  server.Stop();
  EXPECT_TRUE(WaitFor([&] { return !cache->available(); }));
  EXPECT_EQ(cache->Stats().timeouts, 0u);
  server.Continue();
  EXPECT_TRUE(WaitFor([&] { return cache->available(); }));
}

TEST(RedisFaultTest, ANodeThatAlwaysAnswersLateStaysAlone) {
  RedisServer server;
  BadNetwork network(server.port());
  auto cache = OpenAndWait(Quick(network.address()));
  ASSERT_TRUE(PutAndWait(*cache, 1, "record"));
  EXPECT_EQ(Ask(*cache, 1).bytes, "record");
  network.delay_ms = 200;
  EXPECT_LE(AskUntilSkipped(*cache), 5);
  const std::uint64_t connects = cache->Stats().connects;
  std::this_thread::sleep_for(1500ms);
  EXPECT_EQ(cache->Stats().connects, connects) << "a late PING closes no breaker";
  EXPECT_FALSE(cache->available());
  network.delay_ms = 0;
  EXPECT_TRUE(WaitFor([&] { return cache->available(); }));
}

TEST(RedisFaultTest, ANetworkThatDropsEverythingCostsNoMoreThanAHungNode) {
  RedisServer server;
  BadNetwork network(server.port());
  RedisOptions options = Quick(network.address());
  options.connect_timeout = 200ms;
  auto cache = OpenAndWait(options);
  network.drops = true;
  EXPECT_LE(AskUntilSkipped(*cache), 5);
  EXPECT_TRUE(WaitFor([&] {
    const std::string error = cache->Stats().nodes[0].last_error;
    return error == "no connection in time";
  })) << cache->Stats().nodes[0].last_error;
  network.drops = false;
  EXPECT_TRUE(WaitFor([&] { return cache->available(); }));
}

TEST(RedisFaultTest, AKilledMasterIsReplacedByItsReplica) {
  RedisCluster cluster;
  auto cache = OpenAndWait(Quick(cluster.node(1).address()));
  ASSERT_TRUE(WaitFor([&] { return AllUp(*cache, 6); }));
  constexpr std::uint64_t kKeys = 60;
  for (std::uint64_t key = 0; key < kKeys; ++key) Put(*cache, key, "record");
  ASSERT_TRUE(WaitFor([&] { return cache->Stats().written == kKeys; }));
  // Replication is asynchronous: what the replica has not got yet would be lost, rightly.
  ASSERT_TRUE(WaitFor([&] {
    std::size_t masters = 0, replicas = 0;
    for (std::size_t i = 0; i < 6; ++i) (i < 3 ? masters : replicas) += std::stoul(cluster.node(i).Command("DBSIZE"));
    return masters == kKeys && replicas == kKeys;
  }));

  cluster.node(0).Kill();
  Duration longest{};
  std::uint64_t others_missed = 0;
  const auto round = [&] {
    std::size_t hits = 0;
    for (std::uint64_t key = 0; key < kKeys; ++key) {
      const Answer answer = Ask(*cache, key);
      hits += answer.result == RedisLookUp::kHit;
      others_missed += answer.result == RedisLookUp::kMiss;
      longest = std::max(longest, answer.took);
    }
    return hits;
  };
  EXPECT_LT(round(), kKeys);
  EXPECT_TRUE(WaitFor([&] { return round() == kKeys; })) << "the replica was promoted, and found";
  EXPECT_EQ(others_missed, 0u);
  EXPECT_LT(longest, 2s) << "the bound is 30 ms; the rest is this machine's own lateness";
  EXPECT_NE(NodeStats(*cache, cluster.node(0).address()).state, "up");
}

TEST(RedisFaultTest, AHungMasterCostsOnlyItsOwnSlots) {
  RedisCluster cluster;
  auto cache = OpenAndWait(Quick(cluster.node(1).address()));
  ASSERT_TRUE(WaitFor([&] { return AllUp(*cache, 6); }));
  for (std::uint64_t key = 0; key < 60; ++key) Put(*cache, key, "record");
  ASSERT_TRUE(WaitFor([&] { return cache->Stats().written == 60; }));
  cluster.node(2).Stop();
  EXPECT_TRUE(WaitFor([&] {
    for (std::uint64_t key = 0; key < 60; ++key) Ask(*cache, key);
    return NodeStats(*cache, cluster.node(2).address()).state == "open";
  }));
  EXPECT_TRUE(cache->available());
  EXPECT_LE(cache->Stats().timeouts, 10u);
  EXPECT_GE(cache->Stats().hits, 30u);
}

}  // namespace
}  // namespace punctual::test
