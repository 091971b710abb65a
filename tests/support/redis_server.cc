#include "support/redis_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <random>
#include <sstream>
#include <thread>

namespace punctual::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

[[noreturn]] void GiveUp(const std::string& what) {
  std::cerr << "redis-server for tests: " << what << std::endl;
  std::abort();
}

// Debian's redis-tools has no redis-server, but the same program under another name: it goes by its argv[0].
std::string ServerProgram() {
  for (const char* path : {"/usr/bin/redis-server", "/usr/local/bin/redis-server", "/usr/bin/redis-check-rdb"})
    if (::access(path, X_OK) == 0) return path;
  GiveUp("neither redis-server nor redis-check-rdb is installed (script/setup)");
}

bool IsFree(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ::sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int reuse = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, sizeof reuse);
  const bool free = ::bind(fd, reinterpret_cast<::sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return free;
}

// Below the ports that the kernel gives to outgoing connections; the cluster's bus has the port 10000 above.
int FreePort() {
  static std::mt19937 random{std::random_device{}()};
  for (;;) {
    const int port = std::uniform_int_distribution<int>(11'000, 22'000)(random);
    if (IsFree(port) && IsFree(port + 10'000)) return port;
  }
}

std::string Run(const std::string& command, int* status = nullptr) {
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) GiveUp("popen");
  std::string output;
  char buffer[4096];
  while (const std::size_t read = std::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, read);
  const int result = ::pclose(pipe);
  if (status != nullptr) *status = result;
  while (!output.empty() && output.back() == '\n') output.pop_back();
  return output;
}

}  // namespace

RedisServer::RedisServer(std::vector<std::string> arguments, const std::string& tls_folder)
    : arguments_(std::move(arguments)), tls_folder_(tls_folder) {
  std::string pattern = (fs::temp_directory_path() / "punctual-redis-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) GiveUp("no temporary folder");
  folder_ = pattern;
  for (std::size_t i = 0; i + 1 < arguments_.size(); ++i)
    if (arguments_[i] == "--requirepass") password_ = arguments_[i + 1];
  // Somebody else may take the port meanwhile: then another one.
  for (int attempt = 0; pid_ < 0; ++attempt) {
    if (attempt == 20) GiveUp("does not start: " + Run("tail -n 5 " + folder_ + "/log"));
    port_ = FreePort();
    Launch();
  }
}

RedisServer::~RedisServer() {
  Kill();
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void RedisServer::Launch() {
  const std::string port = std::to_string(port_), program = ServerProgram(), log = folder_ + "/log";
  std::vector<std::string> words = {"redis-server",
                                    "--bind",
                                    "127.0.0.1",
                                    "--save",
                                    "",
                                    "--appendonly",
                                    "no",
                                    "--dir",
                                    folder_,
                                    "--repl-diskless-sync-delay",
                                    "0",
                                    "--port",
                                    tls_folder_.empty() ? port : "0"};
  if (!tls_folder_.empty())
    for (const auto& word : {std::string("--tls-port"), port, std::string("--tls-cert-file"),
                             tls_folder_ + "/server.crt", std::string("--tls-key-file"), tls_folder_ + "/server.key",
                             std::string("--tls-ca-cert-file"), tls_folder_ + "/ca.crt"})
      words.push_back(word);
  words.insert(words.end(), arguments_.begin(), arguments_.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child < 0) GiveUp("fork");
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    const int fd = ::open(log.c_str(), O_CREAT | O_WRONLY | O_APPEND, 0600);
    ::dup2(fd, 1);
    ::dup2(fd, 2);
    ::sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execv(program.c_str(), argv.data());
    ::_exit(127);
  }
  pid_ = child;
  for (int wait = 0; wait < 1000; ++wait) {
    if (::waitpid(pid_, nullptr, WNOHANG) == pid_) {
      pid_ = -1;
      return;
    }
    if (!IsFree(port_) && Command("PING", password_) == "PONG") return;
    std::this_thread::sleep_for(10ms);
  }
  GiveUp("does not answer: " + Run("tail -n 5 " + log));
}

void RedisServer::Kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void RedisServer::Stop() { ::kill(pid_, SIGSTOP); }
void RedisServer::Continue() { ::kill(pid_, SIGCONT); }

void RedisServer::Restart() {
  Launch();
  if (pid_ < 0) GiveUp("does not start again");
}

std::string RedisServer::Command(const std::string& command, const std::string& password) const {
  const std::string& pass = password.empty() ? password_ : password;
  return Run("redis-cli -p " + std::to_string(port_) +
             (tls_folder_.empty() ? ""
                                  : " --tls --cacert " + tls_folder_ + "/ca.crt --cert " + tls_folder_ +
                                        "/server.crt --key " + tls_folder_ + "/server.key") +
             (pass.empty() ? "" : " --no-auth-warning --pass '" + pass + "'") + " " + command);
}

RedisCluster::RedisCluster() {
  std::string addresses;
  for (int i = 0; i < 6; ++i) {
    nodes_.push_back(std::make_unique<RedisServer>(
        std::vector<std::string>{"--cluster-enabled", "yes", "--cluster-node-timeout", "1000",
                                 "--cluster-require-full-coverage", "no", "--repl-ping-replica-period", "1"}));
    addresses += " " + nodes_.back()->address();
  }
  if (!Cluster("create" + addresses + " --cluster-replicas 1 --cluster-yes")) GiveUp("no cluster");
  // A failover needs replicas that are in step with their masters, and nodes that know all of them: a replica is listed
  // once its master had something to replicate, a ping at least.
  for (int wait = 0;; ++wait) {
    if (wait == 600) GiveUp("the cluster does not come together");
    bool ready = true;
    for (std::size_t i = 0; i < nodes_.size() && ready; ++i) {
      const std::string slots = node(i).Command("CLUSTER SLOTS");
      for (const auto& other : nodes_) ready &= slots.find(std::to_string(other->port())) != std::string::npos;
      ready = ready && node(i).Command("CLUSTER INFO").find("cluster_state:ok") != std::string::npos &&
              (i < 3 || node(i).Command("INFO replication").find("master_link_status:up") != std::string::npos);
    }
    if (ready) return;
    std::this_thread::sleep_for(50ms);
  }
}

RedisServer& RedisCluster::at(const std::string& address) {
  for (const auto& node : nodes_)
    if (node->address() == address) return *node;
  GiveUp("no node at " + address);
}

std::string RedisCluster::MasterOf(int slot, std::size_t witness) const {
  // "ID HOST:PORT@BUS FLAGS MASTER ... RANGES"
  std::istringstream lines(nodes_[witness]->Command("CLUSTER NODES"));
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string id, where, skipped, range;
    fields >> id >> where;
    for (int i = 0; i < 6; ++i) fields >> skipped;
    while (fields >> range) {
      int first = 0, last = 0;
      const int read = std::sscanf(range.c_str(), "%d-%d", &first, &last);
      if (read == 1) last = first;
      if (read >= 1 && first <= slot && slot <= last) return where.substr(0, where.find('@'));
    }
  }
  return {};
}

std::string RedisCluster::IdOf(std::size_t at) const { return nodes_[at]->Command("CLUSTER MYID"); }

bool RedisCluster::Cluster(const std::string& arguments) const {
  int status = 0;
  const std::string output = Run("redis-cli --cluster " + arguments, &status);
  if (status != 0) std::cerr << output << std::endl;
  return status == 0;
}

}  // namespace punctual::test
