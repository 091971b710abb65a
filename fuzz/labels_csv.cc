// A header and a line of a labels file: whatever they say, either a label and what it is of, or an error.
#include <cstdlib>
#include <string_view>

#include "optimize/read_labels.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::size_t newline = text.find('\n');
  if (newline == std::string_view::npos) return 0;
  const auto csv = punctual::optimize::LabelsCsv::FromHeader(text.substr(0, newline));
  if (csv.has_error()) return 0;
  const auto row = csv->ParseLine(text.substr(newline + 1));
  if (row.has_value() && row->label < -1) std::abort();
  return 0;
}
