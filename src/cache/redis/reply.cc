#include "cache/redis/reply.h"

#include <valkey/valkey.h>

#include <algorithm>
#include <charconv>
#include <iterator>

#include "cache/redis/command.h"

namespace punctual::redis {
namespace {

// [host, port, id, ...]; the host is null or empty where the server does not know by which name it was reached, and "?"
// where it does not know the node's.
std::optional<Address> ParseNode(const valkeyReply& node, const Address& from) {
  if (node.type != VALKEY_REPLY_ARRAY || node.elements < 2 || node.element[1]->type != VALKEY_REPLY_INTEGER)
    return std::nullopt;
  const long long port = node.element[1]->integer;
  if (port < 1 || port > 65535) return std::nullopt;
  const valkeyReply& host = *node.element[0];
  Address address{from.host, static_cast<std::uint16_t>(port)};
  if (host.type == VALKEY_REPLY_STRING && host.len > 0) address.host.assign(host.str, host.len);
  if (address.host == "?") return std::nullopt;
  // The same rules as everywhere: what is not a host is not connected to.
  return ParseAddress(AddressText(address));
}

}  // namespace

void FreeReply::operator()(valkeyReply* reply) const { ::freeReplyObject(reply); }

std::optional<Redirection> ParseRedirection(std::string_view error, const Address& from) {
  Redirection redirection;
  if (error.starts_with("ASK ")) {
    redirection.ask = true;
    error.remove_prefix(4);
  } else if (error.starts_with("MOVED ")) {
    error.remove_prefix(6);
  } else {
    return std::nullopt;
  }
  const auto [end, failed] = std::from_chars(error.data(), error.data() + error.size(), redirection.slot);
  error.remove_prefix(static_cast<std::size_t>(end - error.data()));
  if (failed != std::errc() || redirection.slot >= kSlotCount || !error.starts_with(' ')) return std::nullopt;
  auto address = ParseAddress(error.substr(1));
  if (!address) return std::nullopt;
  if (address->host.empty()) address->host = from.host;
  redirection.address = std::move(*address);
  return redirection;
}

std::string Printable(std::string_view text) {
  constexpr std::size_t kLongest = 200;
  std::string printable(text.substr(0, kLongest));
  for (char& c : printable)
    if (c < ' ' || c > '~') c = '?';
  return printable;
}

std::string AuthRefusal(std::string_view reply) {
  constexpr std::string_view kCodes[] = {"ERR", "WRONGPASS", "NOAUTH", "NOPERM", "LOADING", "MASTERDOWN"};
  const std::string_view code = reply.substr(0, reply.find(' '));
  const bool known = std::find(std::begin(kCodes), std::end(kCodes), code) != std::end(kCodes);
  return "AUTH was refused: " + std::string(known ? code : "no reason that may be shown");
}

ErrorMeaning MeaningOf(std::string_view error) {
  const std::string_view code = error.substr(0, error.find(' '));
  if (code == "WRONGTYPE" || code == "TRYAGAIN" || code == "MOVED" || code == "ASK") return ErrorMeaning::kThisKey;
  if (code == "OOM" || code == "MISCONF" || code == "READONLY" || code == "NOREPLICAS") return ErrorMeaning::kThisWrite;
  return ErrorMeaning::kNodeUseless;
}

std::optional<std::vector<SlotRange>> ParseClusterSlots(const valkeyReply& reply, const Address& from) {
  if (reply.type != VALKEY_REPLY_ARRAY) return std::nullopt;
  std::vector<SlotRange> ranges;
  for (std::size_t i = 0; i < reply.elements; ++i) {
    const valkeyReply& row = *reply.element[i];
    if (row.type != VALKEY_REPLY_ARRAY || row.elements < 3 || row.element[0]->type != VALKEY_REPLY_INTEGER ||
        row.element[1]->type != VALKEY_REPLY_INTEGER)
      continue;
    const long long first = row.element[0]->integer, last = row.element[1]->integer;
    auto master = ParseNode(*row.element[2], from);
    if (first < 0 || last < first || last >= kSlotCount || !master) continue;
    SlotRange range{static_cast<std::uint16_t>(first), static_cast<std::uint16_t>(last), std::move(*master), {}};
    for (std::size_t r = 3; r < row.elements; ++r)
      if (auto replica = ParseNode(*row.element[r], from)) range.replicas.push_back(std::move(*replica));
    ranges.push_back(std::move(range));
  }
  return ranges;
}

}  // namespace punctual::redis
