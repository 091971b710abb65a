// What Redis answers besides values: redirections, errors by what follows from them, the layout of a cluster. Outside
// input: anything is possible in it, nothing of it can do harm here. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cache/redis/address.h"

struct valkeyReply;

namespace punctual::redis {

struct FreeReply {
  void operator()(valkeyReply* reply) const;
};

// "MOVED 3999 127.0.0.1:6381" or "ASK ...".
struct Redirection {
  bool ask = false;
  std::uint16_t slot = 0;
  Address address;
};
// `from`: who sent it; stands in for a missing host.
std::optional<Redirection> ParseRedirection(std::string_view error, const Address& from);

// A text of the server's as it may be shown: 200 bytes of printable ASCII at most.
std::string Printable(std::string_view text);
// Why AUTH was refused. The reply's first word alone, and only one that is a code: a server that does not know AUTH
// repeats its arguments, of which one is the password.
std::string AuthRefusal(std::string_view reply);

// What an error reply to a look-up or a write says.
enum class ErrorMeaning {
  kThisKey,      // of this key alone (WRONGTYPE: somebody else's value), or of this moment (TRYAGAIN)
  kThisWrite,    // the node answers look-ups but takes no writes (OOM, MISCONF, READONLY, NOREPLICAS)
  kNodeUseless,  // whatever we ask it, this will come (LOADING, CLUSTERDOWN, MASTERDOWN, NOAUTH, NOPERM, ...)
};
ErrorMeaning MeaningOf(std::string_view error);

struct SlotRange {
  std::uint16_t first = 0, last = 0;
  Address master;
  std::vector<Address> replicas;
};
// The reply to CLUSTER SLOTS. `from`: who sent it; stands in for hosts that the server does not know. Ranges that make
// no sense are left out. Nothing: not such a reply at all.
std::optional<std::vector<SlotRange>> ParseClusterSlots(const valkeyReply& reply, const Address& from);

}  // namespace punctual::redis
