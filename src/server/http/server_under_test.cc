#include "server/http/server_under_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <thread>
#include <utility>

namespace punctual::http {

namespace {

constexpr int kPatienceMs = 10'000;

const sockaddr* AsSockaddr(const void* address) { return static_cast<const sockaddr*>(address); }

}  // namespace

Client::Client(int family) : fd_(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
Client::Client(Client&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), connected_(other.connected_), received_(std::move(other.received_)) {}
Client::~Client() {
  if (fd_ >= 0) ::close(fd_);
}

Client Client::Tcp(int port) {
  Client client(AF_INET);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  client.connected_ = ::connect(client.fd_, AsSockaddr(&address), sizeof address) == 0;
  return client;
}

Client Client::Unix(const std::string& path) {
  Client client(AF_UNIX);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  client.connected_ = ::connect(client.fd_, AsSockaddr(&address), sizeof address) == 0;
  return client;
}

bool Client::Send(const std::string& bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const auto size = ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (size <= 0) return false;
    sent += static_cast<std::size_t>(size);
  }
  return true;
}

void Client::EndSending() { ::shutdown(fd_, SHUT_WR); }

void Client::Abort() {
  const linger at_once{1, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ::close(std::exchange(fd_, -1));
}

void Client::ReceiveLittle() {
  const int size = 2048;
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

bool Client::Fill() {
  pollfd waiting{fd_, POLLIN, 0};
  if (::poll(&waiting, 1, kPatienceMs) <= 0) return false;
  char bytes[4096];
  const auto size = ::recv(fd_, bytes, sizeof bytes, 0);
  if (size <= 0) return false;
  received_.append(bytes, static_cast<std::size_t>(size));
  return true;
}

Reply Client::Read(bool has_body) {
  std::size_t end = 0;
  while ((end = received_.find("\r\n\r\n")) == std::string::npos)
    if (!Fill()) return {};
  Reply reply;
  reply.head = received_.substr(0, end + 2);
  received_.erase(0, end + 4);
  reply.status = std::stoi(reply.head.substr(9, 3));
  const std::size_t length_at = reply.head.find("Content-Length: ");
  if (!has_body || length_at == std::string::npos) return reply;
  const auto length = static_cast<std::size_t>(std::stoul(reply.head.substr(length_at + 16)));
  while (received_.size() < length)
    if (!Fill()) return {};
  reply.body = received_.substr(0, length);
  received_.erase(0, length);
  return reply;
}

bool Client::IsClosed() {
  if (!received_.empty()) return false;
  pollfd waiting{fd_, POLLIN, 0};
  if (::poll(&waiting, 1, kPatienceMs) <= 0) return false;
  char byte = 0;
  return ::recv(fd_, &byte, 1, 0) <= 0;
}

std::string Get(const std::string& path, const std::string& more) {
  return "GET " + path + " HTTP/1.1\r\nHost: test\r\n" + more + "\r\n";
}

std::string Post(const std::string& path, const std::string& body, const std::string& more) {
  return "POST " + path + " HTTP/1.1\r\nHost: test\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more +
         "\r\n" + body;
}

ServerTest::ServerTest() {
  repository_.AddModel("m", "1", test::ImbalanceManifest(2), test::LinearModel(2, 3));
  engine_options_.model_repository = repository_.path();
  engine_options_.reload_poll = Duration(0);
  engine_options_.tiers = {{"premium", {std::chrono::milliseconds(15)}}, {"patient", {std::chrono::seconds(20)}}};
  engine_options_.styles = {{"day", "m"}};
  engine_options_.users = {{"u1", "premium", "day"}, {"u2", "patient", "day"}};
  engine_options_.workers = 1;
  options_.listen = "127.0.0.1:0";
  options_.io_threads = 2;
}

void ServerTest::AddGatedModel() {
  repository_.AddModel("gated", "1", test::ImbalanceManifest(2, "backend = \"gated\"\n"), test::LinearModel(2, 3));
}

void ServerTest::Start() {
  engine_.emplace(Engine::Open(engine_options_).value());
  server_.emplace(HttpServer::Start(*engine_, options_).value());
}

void ServerTest::AwaitQueued(std::uint64_t count) const {
  while (engine_->Stats().queued != count) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

std::string ServerTest::Book(std::uint64_t sequence) {
  return R"({"seq":)" + std::to_string(sequence) + R"(,"asks":[[101,)" + std::to_string(sequence) +
         R"(],[102,4]],"bids":[[99,3],[98,5]]})";
}

std::string ServerTest::PredictGated(std::uint64_t sequence) {
  return Post("/v1/predict", R"({"user":"u2","model":"gated","market":)" + Book(sequence) + "}");
}

}  // namespace punctual::http
