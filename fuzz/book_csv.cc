// A line of an order-book file: whatever it says, either a valid book or an error.
#include <cstdlib>
#include <string_view>

#include "market/csv_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  for (const int levels : {1, 3}) {
    const auto book = punctual::ParseBookCsvLine(line, levels);
    if (book.has_value() && punctual::Validate(*book).has_error()) std::abort();
  }
  return 0;
}
