#include "cache/record/record.h"

#include <xxhash.h>

#include <algorithm>
#include <cassert>
#include <cstring>

namespace punctual {

namespace {

constexpr std::uint64_t kMagic = 0x6c61'7574'636e'7570u ^ (RecordCodec::kSchema << 56);  // "punctual", schema on top

struct Header {
  std::uint64_t magic = kMagic;
  std::uint64_t checksum = 0;
  Digest key;
  Subject subject;
  std::int64_t expires_unix_ns = 0;
};
static_assert(sizeof(Header) == 64 && sizeof(Header) % 8 == 0);
constexpr std::size_t kChecked = offsetof(Header, key);  // where the checksum begins to look

bool AreAsSpecified(const Outputs& outputs, std::span<const TensorSpec> specs) {
  if (outputs.size() != specs.size()) return false;
  std::size_t i = 0;
  for (const OutputView output : outputs) {
    const TensorSpec& spec = specs[i++];
    if (output.name != spec.name || output.dtype != spec.dtype || !std::ranges::equal(output.shape, spec.shape))
      return false;
  }
  return true;
}

}  // namespace

std::string_view RecordFaultName(RecordFault fault) {
  constexpr std::string_view kNames[kRecordFaultCount] = {"none", "size",    "schema", "checksum",
                                                          "key",  "expired", "outputs"};
  return kNames[static_cast<std::size_t>(fault)];
}

RecordCodec::RecordCodec(std::span<const std::byte> secret) : secret_size_(secret.size()) {
  assert(secret.size() >= XXH3_SECRET_SIZE_MIN && secret.size() <= secret_.size());
  std::memcpy(secret_.data(), secret.data(), secret.size());
}

std::string RecordCodec::Encode(const Digest& key, const CachedAnswer& answer, std::int64_t expires_unix_ns) const {
  const auto block = answer.outputs.block();
  std::string record(sizeof(Header) + block.size(), '\0');
  Header header;
  header.key = key;
  header.subject = answer.subject;
  header.expires_unix_ns = expires_unix_ns;
  std::memcpy(record.data(), &header, sizeof header);
  std::memcpy(record.data() + sizeof header, block.data(), block.size());
  header.checksum =
      XXH3_64bits_withSecret(record.data() + kChecked, record.size() - kChecked, secret_.data(), secret_size_);
  std::memcpy(record.data(), &header, sizeof header);
  return record;
}

RecordCodec::Decoded RecordCodec::Decode(std::span<const std::byte> record, const Digest& key, std::int64_t now_unix_ns,
                                         std::span<const TensorSpec> specs) const {
  Decoded decoded;
  const auto faulty = [&decoded](RecordFault fault) {
    decoded.fault = fault;
    return decoded;
  };
  Header header;
  if (record.size() < sizeof header || record.size() > sizeof header + Outputs::kMaxBlockBytes)
    return faulty(RecordFault::kSize);
  std::memcpy(&header, record.data(), sizeof header);
  if (header.magic != kMagic) return faulty(RecordFault::kSchema);
  if (header.checksum !=
      XXH3_64bits_withSecret(record.data() + kChecked, record.size() - kChecked, secret_.data(), secret_size_))
    return faulty(RecordFault::kChecksum);
  if (header.key != key) return faulty(RecordFault::kKey);
  if (header.expires_unix_ns <= now_unix_ns) return faulty(RecordFault::kExpired);
  auto outputs = Outputs::FromBlock(record.subspan(sizeof header));
  if (outputs.has_error() || !AreAsSpecified(*outputs, specs)) return faulty(RecordFault::kOutputs);
  decoded.answer = {std::move(outputs).value(), header.subject};
  decoded.expires_unix_ns = header.expires_unix_ns;
  return decoded;
}

}  // namespace punctual
