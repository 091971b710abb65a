// A data file of the disk layer: whatever its bytes, it is judged, within the bounds that its size gives.
#include <cstdlib>
#include <cstring>

#include "cache/disk/lmdb_check.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto read = [&](std::uint64_t offset, std::span<std::byte> into) {
    if (offset > size || into.size() > size - offset) std::abort();
    std::memcpy(into.data(), data + offset, into.size());
    return true;
  };
  const punctual::LmdbCheck check = punctual::CheckLmdbFile({read, size, 1u << 30});
  if ((check.verdict == punctual::LmdbCheck::Verdict::kSound) != check.what.empty()) std::abort();
  return 0;
}
