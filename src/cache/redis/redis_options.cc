#include "cache/redis/redis_options.h"

#include <set>
#include <string_view>

#include "cache/redis/address.h"
#include "cache/redis/command.h"

namespace punctual {
namespace {

constexpr std::size_t kMaxConfiguredNodes = 256;

Error Refuse(const std::string& field, const std::string& what) {
  return Fail(Code::kInvalidArgument, "cache.redis." + field + ": " + what);
}

}  // namespace

Result<void> Validate(const RedisOptions& options) {
  if (options.nodes.empty()) return Refuse("nodes", "name at least one, for instance \"127.0.0.1:6379\"");
  if (options.nodes.size() > kMaxConfiguredNodes)
    return Refuse("nodes", "names " + std::to_string(options.nodes.size()) + ", and " +
                               std::to_string(kMaxConfiguredNodes) +
                               " is the most; a few are enough, a cluster names its others itself");
  std::set<std::string_view> seen;
  for (const std::string& node : options.nodes) {
    const auto address = redis::ParseAddress(node);
    if (!address || address->host.empty() || redis::AddressText(*address) != node)
      return Refuse("nodes", "\"" + node + "\" is not host:port or [v6 address]:port");
    if (!seen.insert(node).second) return Refuse("nodes", "\"" + node + "\" is there twice");
  }
  if (!options.username.empty() && options.password.empty()) return Refuse("password", "is missing for the username");
  if (!options.tls && !(options.ca_file.empty() && options.cert_file.empty() && options.key_file.empty()))
    return Refuse("tls", "must be true for ca_file, cert_file and key_file to mean something");
  if (options.cert_file.empty() != options.key_file.empty())
    return Refuse("cert_file", "and key_file are needed together");
  if (options.timeout <= Duration::zero()) return Refuse("timeout_ms", "must be above 0");
  if (options.connect_timeout <= Duration::zero()) return Refuse("connect_timeout_ms", "must be above 0");
  if (options.ping_interval <= Duration::zero()) return Refuse("ping_interval_ms", "must be above 0");
  if (options.max_outstanding < 1 || options.max_outstanding > 1'000'000)
    return Refuse("max_outstanding", "must be from 1 to 1000000");
  if (options.prefix.empty() || options.prefix.size() > redis::kMaxPrefix)
    return Refuse("prefix", "must have 1 to 32 characters");
  for (const char c : options.prefix)
    if (c <= ' ' || c > '~') return Refuse("prefix", "may have printable ASCII characters without spaces alone");
  const redis::BreakerOptions& breaker = options.breaker;
  if (breaker.failures < 1) return Refuse("breaker_failures", "must be above 0");
  if (breaker.backoff_min <= Duration::zero() || breaker.backoff_max < breaker.backoff_min)
    return Refuse("backoff_min_ms", "must be above 0 and not above backoff_max_ms");
  return {};
}

}  // namespace punctual
