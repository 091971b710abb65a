// The HTTP/1.1 server over an engine: the native API (docs/http-api.md) over TCP and a Unix socket.
//
// N threads, each with its own connections; one of them also listens and deals connections out in turn. Cheap answers
// are made and written by the connection's own thread; what the engine computes elsewhere comes back to it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "punctual/engine.h"
#include "server/server_options.h"

namespace punctual::http {

// Thread-safe, but for the moves and the destructor.
class HttpServer {
 public:
  // Listens when it returns. `engine` must outlive the server. kInvalidArgument, kAlreadyExists, kUnavailable name what
  // cannot be listened on.
  static Result<HttpServer> Start(Engine& engine, const ServerOptions& options);

  HttpServer(HttpServer&&) noexcept;
  HttpServer& operator=(HttpServer&&) noexcept;
  ~HttpServer();  // Shutdown()

  // "http://127.0.0.1:8080", "unix:/run/punctual.sock"
  std::vector<std::string> listeners() const;
  int port() const;  // of TCP; 0: none

  // Accepts no more, answers what was admitted with Connection: close, and closes; after shutdown_timeout it closes
  // what is left. Blocks until that is done. Not from a thread of the server.
  void Shutdown();

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace punctual::http
