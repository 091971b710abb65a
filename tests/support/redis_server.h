// Real redis-servers for tests, on free ports of this machine, with a temporary folder each; they are killed with the
// object, and by the kernel should the test die first. Not thread-safe, but Kill, Stop and Continue.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

namespace punctual::test {

class RedisServer {
 public:
  // `arguments`: more of redis-server's ("--requirepass", "x"). With `tls_folder` it speaks TLS alone, with that
  // folder's server.crt, server.key and ca.crt. Returns when it answers; a server that does not start ends the program.
  explicit RedisServer(std::vector<std::string> arguments = {}, const std::string& tls_folder = {});
  ~RedisServer();
  RedisServer(const RedisServer&) = delete;
  RedisServer& operator=(const RedisServer&) = delete;

  int port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  void Kill();      // kill -9
  void Stop();      // SIGSTOP: hung
  void Continue();  // SIGCONT
  void Restart();   // after Kill(): the same port and arguments, nothing in it

  // What redis-cli prints for a command, without the last line's end. `password`: --pass.
  std::string Command(const std::string& command, const std::string& password = {}) const;

 private:
  void Launch();

  std::vector<std::string> arguments_;
  std::string tls_folder_, folder_, password_;
  int port_ = 0;
  pid_t pid_ = -1;
};

// Three masters and a replica of each, as one cluster; a node counts as failed after a second.
class RedisCluster {
 public:
  RedisCluster();

  // [0] to [2] began as masters; [3] to [5] as replicas.
  RedisServer& node(std::size_t at) { return *nodes_[at]; }
  std::size_t size() const { return nodes_.size(); }
  // The node that serves at `address`.
  RedisServer& at(const std::string& address);
  // The address of the master that holds the slot, as `witness` sees it.
  std::string MasterOf(int slot, std::size_t witness = 0) const;
  std::string IdOf(std::size_t at) const;
  // `redis-cli --cluster ...` with the given arguments; false if it failed.
  bool Cluster(const std::string& arguments) const;

 private:
  std::vector<std::unique_ptr<RedisServer>> nodes_;
};

}  // namespace punctual::test
