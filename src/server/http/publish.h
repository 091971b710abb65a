// POST /v1/market/{symbol}: one book, or one a line.
#pragma once

#include <string>

#include "punctual/engine.h"
#include "server/http/exchange.h"
#include "server/http/json_parser.h"

namespace punctual::http {

// Whether the body is one book a line, or one book that may be written over several lines.
enum class Lines { kYes, kPerhaps };

struct BooksTo {
  std::string symbol;
  TimePoint arrival;  // of the body: so old they are at least
  Lines lines;
};

// Publishes the books in their order until one is wrong; the answer says how many went in, and what was wrong ("line 3:
// asks[0][0]: must be a number").
void PublishBooks(Engine& engine, JsonParser& parser, const BooksTo& to, PaddedText body, Exchange& exchange);

}  // namespace punctual::http
