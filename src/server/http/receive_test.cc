#include "server/http/receive.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>
#include <thread>
#include <utility>

namespace punctual::http {
namespace {

using std::chrono::steady_clock;

constexpr auto kWait = std::chrono::milliseconds(200);

// Two sockets that talk to each other; arrivals are noted at `in`.
class ReceiveTest : public ::testing::Test {
 protected:
  ~ReceiveTest() override {
    for (const int fd : {in_, out_})
      if (fd >= 0) ::close(fd);
  }
  void ConnectByTcp() {
    const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
    NoteArrivals(listener);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* const at = reinterpret_cast<sockaddr*>(&address);
    ASSERT_EQ(::bind(listener, at, size), 0);
    ASSERT_EQ(::listen(listener, 1), 0);
    ASSERT_EQ(::getsockname(listener, at, &size), 0);
    out_ = ::socket(AF_INET, SOCK_STREAM, 0);
    ASSERT_EQ(::connect(out_, at, size), 0);
    in_ = ::accept(listener, nullptr, nullptr);
    ::close(listener);
    ASSERT_GE(in_, 0);
  }
  void Send(std::string_view bytes) { ASSERT_EQ(::send(out_, bytes.data(), bytes.size(), 0), ssize_t(bytes.size())); }

  int in_ = -1, out_ = -1;
  std::array<char, 16> room_{};
};

TEST_F(ReceiveTest, SaysWhenTheLastByteCame) {
  ConnectByTcp();
  const auto before = steady_clock::now();
  Send("one");
  std::this_thread::sleep_for(kWait);
  const auto between = steady_clock::now();
  Send("two");
  std::this_thread::sleep_for(kWait);
  const Received received = Receive(in_, room_);
  EXPECT_EQ(received.size, 6u);
  EXPECT_EQ(received.error, 0);
  // Nearer to its sending than to the one before, and than to now.
  EXPECT_GT(received.arrival, before + kWait / 2);
  EXPECT_LT(received.arrival, between + (steady_clock::now() - between) / 2);
}

TEST_F(ReceiveTest, WithoutANoteTheBytesCameNow) {
  std::array<int, 2> pair{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM, 0, pair.data()), 0);
  in_ = pair[0];
  out_ = pair[1];
  Send("one");
  const auto before = steady_clock::now();
  const Received received = Receive(in_, room_);
  EXPECT_EQ(received.size, 3u);
  EXPECT_GE(received.arrival, before);
  EXPECT_LE(received.arrival, steady_clock::now());
}

TEST_F(ReceiveTest, SaysThatNothingIsThereAndThatNoMoreComes) {
  ConnectByTcp();
  EXPECT_EQ(Receive(in_, room_).error, EAGAIN);
  ::close(std::exchange(out_, -1));
  Received received = Receive(in_, room_);
  for (int i = 0; i < 1000 && received.error == EAGAIN; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    received = Receive(in_, room_);
  }
  EXPECT_EQ(received.error, 0);
  EXPECT_EQ(received.size, 0u);
}

}  // namespace
}  // namespace punctual::http
