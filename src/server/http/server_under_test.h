// For tests: a server on a free port over a real engine, and a client that speaks bytes.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "punctual/engine.h"
#include "server/http/http_server.h"
#include "support/gated_backend.h"
#include "support/onnx_models.h"
#include "support/temporary_repository.h"

namespace punctual::http {

struct Reply {
  int status = 0;  // 0: none came
  std::string head;
  std::string body;
};

// A blocking connection. Waits at most 10 s for anything.
class Client {
 public:
  static Client Tcp(int port);
  static Client Unix(const std::string& path);
  Client(Client&& other) noexcept;
  Client& operator=(Client&&) = delete;
  ~Client();

  bool connected() const { return connected_; }
  // False: the peer has closed it.
  bool Send(const std::string& bytes);
  void EndSending();
  void Abort();  // resets the connection
  // The next reply; `has_body`: false for a HEAD request.
  Reply Read(bool has_body = true);
  Reply Ask(const std::string& request) { return Send(request) ? Read() : Reply{}; }
  // True: the peer closes without another byte.
  bool IsClosed();
  void ReceiveLittle();  // a small receive buffer

 private:
  explicit Client(int family);
  bool Fill();

  int fd_ = -1;
  bool connected_ = false;
  std::string received_;
};

std::string Get(const std::string& path, const std::string& more = "");
std::string Post(const std::string& path, const std::string& body, const std::string& more = "");

// u1 (premium, 15 ms) and u2 (patient, 20 s); model m answers from two imbalances, at once.
class ServerTest : public ::testing::Test {
 protected:
  ServerTest();
  // Adds the model `gated`, which waits for gate_, on the engine's only worker.
  void AddGatedModel();
  // Opens the engine and the server with `options_`.
  void Start();
  Client Connect() const { return Client::Tcp(server_->port()); }
  // One book for `symbol`; its sequence makes the book and so the question.
  static std::string Book(std::uint64_t sequence);
  static std::string PredictGated(std::uint64_t sequence);

  // Waits until `count` inferences are queued behind the one that waits for the gate.
  void AwaitQueued(std::uint64_t count) const;

  test::Gate gate_;
  test::TemporaryRepository repository_;
  EngineOptions engine_options_;
  ServerOptions options_;
  std::optional<Engine> engine_;
  std::optional<HttpServer> server_;
};

}  // namespace punctual::http
