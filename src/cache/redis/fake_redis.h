// A server that speaks the protocol and answers what a test wants: what no real Redis can be brought to say.
#pragma once

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace punctual::test {

class FakeRedis {
 public:
  using Command = std::vector<std::string>;
  // The bytes of the reply; called on the server's thread.
  using Answer = std::function<std::string(const Command&)>;

  // Answers PING, and tells that it is no cluster; everything else is the test's.
  explicit FakeRedis(Answer answer) : answer_(std::move(answer)) {
    Accept();
    thread_ = std::thread([this] { io_.run(); });
  }
  ~FakeRedis() {
    boost::asio::post(io_, [this] { io_.stop(); });
    thread_.join();
  }
  FakeRedis(const FakeRedis&) = delete;
  FakeRedis& operator=(const FakeRedis&) = delete;

  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  std::string address() const { return "127.0.0.1:" + std::to_string(port()); }

  static std::string Bulk(const std::string& text) {
    return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
  }

 private:
  using Tcp = boost::asio::ip::tcp;
  struct Peer : std::enable_shared_from_this<Peer> {
    Peer(FakeRedis& its_server, Tcp::socket its_socket) : server(its_server), socket(std::move(its_socket)) {}

    void Read() {
      socket.async_read_some(boost::asio::buffer(chunk),
                             [this, self = shared_from_this()](const auto& error, std::size_t size) {
                               if (error) return;
                               bytes.append(chunk.data(), size);
                               std::string replies;
                               for (Command command; Take(command); command.clear()) replies += server.Reply(command);
                               boost::system::error_code gone;
                               boost::asio::write(socket, boost::asio::buffer(replies), gone);
                               if (!gone) Read();
                             });
    }
    // The first whole command of `bytes`.
    bool Take(Command& command) {
      std::size_t at = 0;
      const auto number = [&](char kind, std::size_t& value) {
        const std::size_t end = bytes.find("\r\n", at);
        if (end == std::string::npos || bytes[at] != kind) return false;
        value = std::stoul(bytes.substr(at + 1, end - at - 1));
        at = end + 2;
        return true;
      };
      std::size_t count = 0, size = 0;
      if (!number('*', count)) return false;
      for (; count > 0; --count) {
        if (!number('$', size) || bytes.size() < at + size + 2) return false;
        command.push_back(bytes.substr(at, size));
        at += size + 2;
      }
      bytes.erase(0, at);
      return true;
    }

    FakeRedis& server;
    Tcp::socket socket;
    std::array<char, 65536> chunk;
    std::string bytes;
  };

  std::string Reply(const Command& command) {
    if (command[0] == "PING") return "+PONG\r\n";
    if (command[0] == "CLUSTER") return "-ERR This instance has cluster support disabled\r\n";
    return answer_(command);
  }
  void Accept() {
    acceptor_.async_accept([this](const auto& error, Tcp::socket socket) {
      if (error) return;
      std::make_shared<Peer>(*this, std::move(socket))->Read();
      Accept();
    });
  }

  const Answer answer_;
  boost::asio::io_context io_{1};
  Tcp::acceptor acceptor_{io_, {boost::asio::ip::address_v4::loopback(), 0}};
  std::thread thread_;
};

}  // namespace punctual::test
