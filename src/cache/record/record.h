// Answers as bytes, for the layers outside of this process's memory, and back. What comes back is outside input:
// damaged, of another schema, written by somebody else under our key, or of a model that has other outputs.
//
//   magic 8 | checksum 8 | key 16 | subject 24 | expires_unix_ns 8 | outputs' block
//
// The checksum is XXH3-64 with the cache's secret over all that follows it, so a record that was moved under another
// key, or made by someone who does not know the secret, is found out. Numbers are little-endian, as the machines are.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/digest.h"
#include "cache/record/cached_answer.h"
#include "tensor/tensor_spec.h"

namespace punctual {

// Why a record is no answer.
enum class RecordFault : std::uint8_t {
  kNone,
  kSize,      // too short, or too long
  kSchema,    // not a record of ours, or of another schema
  kChecksum,  // damaged, or made with another secret
  kKey,       // of another question
  kExpired,
  kOutputs,  // not tensors, not finite, or not what the model gives
};
inline constexpr int kRecordFaultCount = 7;
// "size", "schema", ...
std::string_view RecordFaultName(RecordFault fault);

// Thread-safe.
class RecordCodec {
 public:
  // Raised with each change of the layout or of what a key means.
  static constexpr std::uint64_t kSchema = 1;

  // REQUIRES: secret.size() >= 136 (XXH3's least). Copied.
  explicit RecordCodec(std::span<const std::byte> secret);

  std::string Encode(const Digest& key, const CachedAnswer& answer, std::int64_t expires_unix_ns) const;

  struct Decoded {
    RecordFault fault = RecordFault::kNone;
    CachedAnswer answer;  // set if fault is kNone
    std::int64_t expires_unix_ns = 0;
  };
  // `specs`: what the model gives, in order.
  Decoded Decode(std::span<const std::byte> record, const Digest& key, std::int64_t now_unix_ns,
                 std::span<const TensorSpec> specs) const;

 private:
  alignas(64) std::array<std::byte, 192> secret_{};
  std::size_t secret_size_;
};

}  // namespace punctual
