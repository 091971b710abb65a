// The part of market_json that the reader of predictions shares: a snapshot as a value inside a document.
#pragma once

#include <vector>

#include "punctual/market.h"
#include "server/http/json_reader.h"

namespace punctual::http {

inline constexpr std::size_t kMaxRequestBooks = 1024;  // of a window in a request

enum class Sequence { kRequired, kOptional };

// Fills `snapshot` from an object that was just opened.
Result<void> ReadSnapshot(ondemand::object object, const JsonPath& path, Sequence sequence, BookSnapshot& snapshot);
// Appends one snapshot, or a list of them (oldest first).
Result<void> ReadBooks(ondemand::value& value, const JsonPath& path, std::vector<BookSnapshot>& books);

}  // namespace punctual::http
