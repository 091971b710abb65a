// A book to publish: either a snapshot with 1 to kMaxBookLevels levels, or an error.
#include <cstdlib>
#include <string>

#include "server/http/market_json.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  static punctual::http::JsonParser parser;
  std::string text(reinterpret_cast<const char*>(data), size);
  const auto book = punctual::http::ParseSnapshot(parser, punctual::http::PaddedText::Of(text));
  if (book.has_value() && (book->level_count < 0 || book->level_count > punctual::kMaxBookLevels)) std::abort();
  return 0;
}
