// A .npy file: whatever its header says, either an array that fills the file to its end, or an error.
#include <cstdlib>
#include <string_view>

#include "optimize/npy.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  namespace optimize = punctual::optimize;
  const std::string_view file(reinterpret_cast<const char*>(data), size);
  const auto header_bytes = optimize::NpyHeaderBytes(file.substr(0, optimize::kNpyPrefixBytes));
  if (header_bytes.has_error()) return 0;
  const auto header = optimize::ParseNpyHeader(file.substr(0, *header_bytes), size);
  if (header.has_error()) return 0;
  std::size_t bytes = header->item_bytes;
  for (const std::int64_t dimension : header->shape) bytes *= static_cast<std::size_t>(dimension);
  if (bytes != header->data_bytes || header->header_bytes + bytes != size) std::abort();
  return 0;
}
