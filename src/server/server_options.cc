#include "server/server_options.h"

#include "base/config_file.h"

namespace punctual {

namespace {

template <class T>
void GetNumber(ConfigTable& table, std::string_view key, T& value, std::int64_t min, std::int64_t max) {
  auto number = static_cast<std::int64_t>(value);
  table.Get(key, number, min, max);
  value = static_cast<T>(number);
}

// Its form alone; whether the address is one is seen when it is opened.
bool IsAddressAndPort(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return false;
  const std::string port = text.substr(colon + 1);
  return !port.empty() && port.size() <= 5 && port.find_first_not_of("0123456789") == std::string::npos &&
         std::stoi(port) <= 65535;
}

}  // namespace

Result<ServerOptions> ServerOptionsFromFile(const std::string& path) {
  PUNCTUAL_ASSIGN(ConfigFile file, ConfigFile::Read(path));
  ConfigTable root = file.root();
  for (const std::string& key : root.Keys())
    if (key != "server") root.Ignore(key);
  ServerOptions options;
  if (auto server = root.Table("server")) {
    constexpr Duration kShortest = std::chrono::milliseconds(10);
    constexpr Duration kLongest = std::chrono::hours(24);
    server->Get("listen", options.listen);
    server->Get("unix_socket", options.unix_socket);
    if (!options.unix_socket.empty()) options.unix_socket = Beside(path, options.unix_socket);
    GetNumber(*server, "io_threads", options.io_threads, 0, 256);
    std::int64_t spin_us = 0;
    server->Get("spin_us", spin_us, 0, 1000);
    options.spin = std::chrono::microseconds(spin_us);
    GetNumber(*server, "max_connections", options.max_connections, 1, 1'000'000);
    GetNumber(*server, "max_connections_per_address", options.max_connections_per_address, 0, 1'000'000);
    GetNumber(*server, "max_body_bytes", options.max_body_bytes, 1024, 64 << 20);
    GetNumber(*server, "max_header_bytes", options.max_header_bytes, 1024, 1 << 20);
    GetNumber(*server, "max_pipelined", options.max_pipelined, 1, 1024);
    server->GetMs("request_timeout_ms", options.request_timeout, kShortest, kLongest);
    server->GetMs("idle_timeout_ms", options.idle_timeout, kShortest, kLongest);
    server->GetMs("write_timeout_ms", options.write_timeout, kShortest, kLongest);
    server->GetMs("shutdown_timeout_ms", options.shutdown_timeout, Duration(0), kLongest);
    if (!options.listen.empty() && !IsAddressAndPort(options.listen))
      server->Refuse("listen", "must be ADDRESS:PORT or [IPV6]:PORT, for instance \"127.0.0.1:8080\"");
    if (options.listen.empty() && options.unix_socket.empty())
      server->Refuse("listen", "is empty, and so is unix_socket; give one of them");
  }
  PUNCTUAL_TRY(file.Finish());
  return options;
}

}  // namespace punctual
