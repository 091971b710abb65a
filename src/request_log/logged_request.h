// What a model was asked, as the request log keeps it: a record of bytes, the same on every machine.
//
// Numbers are little-endian. A record: when it was asked (int64, Unix time in ns); the symbol (its length as uint16,
// its bytes); how many books there are (uint32), each with its sequence (uint64), the exchange's and the receiver's
// time (int64), how many levels (uint8), and of each level ask price, ask size, bid price, bid size (doubles); how many
// tensors (uint16), each with its name (length as uint16), type (uint8, as in DType), rank (uint8), dimensions (int64)
// and numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "market/window.h"
#include "punctual/result.h"
#include "punctual/tensor.h"

namespace punctual {

// Books or tensors. A value, cheap to copy.
struct LoggedRequest {
  std::int64_t asked_unix_ns = 0;
  std::string symbol;                                      // empty: none was named
  Window window;                                           // empty: it was asked about tensors
  std::shared_ptr<const std::vector<NamedTensor>> inputs;  // null: about books
};

// Of the window, the newest `most_books`. REQUIRES: symbol and names of less than 64 KiB, fewer than 64 Ki inputs.
std::string EncodeRequest(const LoggedRequest& request, std::size_t most_books);

// kInvalidArgument: these bytes are no such record (what is wrong, and where), or a book or a number in it is not
// sound.
Result<LoggedRequest> DecodeRequest(std::span<const std::byte> record);

}  // namespace punctual
