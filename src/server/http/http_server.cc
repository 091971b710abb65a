#include "server/http/http_server.h"

#include <sys/socket.h>
#include <unistd.h>

#include <spdlog/spdlog.h>
#include <boost/asio/post.hpp>
#include <thread>

#include "base/threads.h"
#include "server/http/answer_json.h"
#include "server/http/io_thread.h"
#include "server/http/listener.h"
#include "server/http/server_state.h"
#include "server/http/spin.h"

namespace punctual::http {

namespace {

constexpr auto kShutdownPoll = std::chrono::milliseconds(1);

// What a connection over a limit is told. It fits into any new socket's buffer.
std::string TooManyConnections(const std::string& which) {
  std::string body;
  AppendError(body, Fail(Code::kResourceExhausted, "connections: " + which));
  return "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace

class HttpServer::Impl {
 public:
  Impl(Engine& engine, const ServerOptions& options) : state_(engine, options) {
    const int count = options.io_threads > 0 ? options.io_threads : UsableCores();
    const Duration spin = SpinOf(count);
    for (int i = 0; i < count; ++i) threads_.push_back(std::make_unique<IoThread>(state_, i, spin));
  }
  ~Impl() { Shutdown(); }

  Result<void> Start() {
    net::io_context& context = threads_.front()->context();
    if (!state_.options.listen.empty()) {
      PUNCTUAL_ASSIGN(auto tcp, Listener::OpenTcp(context, state_.options.listen));
      listeners_.push_back(std::move(tcp));
    }
    if (!state_.options.unix_socket.empty()) {
      PUNCTUAL_ASSIGN(auto local, Listener::OpenUnix(context, state_.options.unix_socket));
      listeners_.push_back(std::move(local));
    }
    for (const auto& listener : listeners_) listener->Start([this](int fd, int family) { Deal(fd, family); });
    state_.large_questions.Start("http-large");
    state_.aside.Start("http-aside");
    started_ = true;
    for (const auto& thread : threads_) thread->Start();
    return {};
  }

  void Shutdown() {
    if (state_.stopping.exchange(true)) return;
    if (!started_) return;
    const TimePoint until = std::chrono::steady_clock::now() + state_.options.shutdown_timeout;
    net::post(threads_.front()->context(), [this] {
      for (const auto& listener : listeners_) listener->Close();
    });
    for (const auto& thread : threads_) thread->BeginShutdown();
    while (state_.connections->load() > 0 && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(kShutdownPoll);
    for (const auto& thread : threads_) thread->CloseAll();
    // The engine answers by the deadlines, so this ends soon.
    while (InFlight() > 0) std::this_thread::sleep_for(kShutdownPoll);
    state_.large_questions.Stop();
    state_.aside.Stop();
    for (const auto& thread : threads_) thread->Stop();
  }

  std::vector<std::string> listeners() const {
    std::vector<std::string> names;
    for (const auto& listener : listeners_) names.push_back(listener->name());
    return names;
  }
  int port() const { return listeners_.empty() ? 0 : listeners_.front()->port(); }

 private:
  Duration SpinOf(int io_threads) const {
    if (state_.options.spin <= Duration::zero()) return Duration::zero();
    const std::string why_not = WhyNoSpin(io_threads, UsableCores(), HasCpuQuota());
    if (why_not.empty()) return state_.options.spin;
    spdlog::warn("server.spin_us: I/O threads do not spin: {}", why_not);
    return Duration::zero();
  }
  // On the first thread.
  void Deal(int fd, int family) {
    if (state_.connections->fetch_add(1) >= state_.options.max_connections) return Refuse(fd, too_many_);
    auto place = state_.places.Take(fd);
    if (!place) return Refuse(fd, too_many_of_address_);
    threads_[next_++ % threads_.size()]->Adopt(fd, family, *std::move(place));
  }
  void Refuse(int fd, const std::string& answer) {
    state_.connections->fetch_sub(1);
    state_.connections_refused.Add();
    [[maybe_unused]] const auto sent = ::send(fd, answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::close(fd);
  }
  int InFlight() const {
    int count = 0;
    for (const auto& thread : threads_) count += thread->in_flight();
    return count;
  }

  ServerState state_;
  std::vector<std::unique_ptr<IoThread>> threads_;
  std::vector<std::unique_ptr<Listener>> listeners_;  // on the first thread's context
  std::size_t next_ = 0;
  const std::string too_many_ = TooManyConnections("max_connections are open now");
  const std::string too_many_of_address_ =
      TooManyConnections("max_connections_per_address are open now from your address");
  bool started_ = false;
};

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::HttpServer(HttpServer&&) noexcept = default;
HttpServer& HttpServer::operator=(HttpServer&&) noexcept = default;
HttpServer::~HttpServer() = default;

Result<HttpServer> HttpServer::Start(Engine& engine, const ServerOptions& options) {
  auto impl = std::make_unique<Impl>(engine, options);
  PUNCTUAL_TRY(impl->Start());
  return HttpServer(std::move(impl));
}

std::vector<std::string> HttpServer::listeners() const { return impl_->listeners(); }
int HttpServer::port() const { return impl_->port(); }
void HttpServer::Shutdown() { impl_->Shutdown(); }

}  // namespace punctual::http
