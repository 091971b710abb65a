// A record from disk or Redis: either an answer of the form that the model gives, with finite numbers, or a fault.
#include <cstdlib>
#include <vector>

#include "cache/record/record.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace punctual;
  static const std::vector<std::byte> secret(192, std::byte{1});
  static const std::vector<TensorSpec> specs = {{"p", DType::kFloat32, {1, 2}}};
  static const RecordCodec codec(secret);
  const auto bytes = std::as_bytes(std::span(data, size));
  if (codec.Decode(bytes, Digest{1, 2}, 1, specs).fault == RecordFault::kNone)
    std::abort();  // it does not know the secret
  // What is behind the checksum, which a mutation hardly ever passes.
  const auto outputs = Outputs::FromBlock(bytes);
  if (outputs.has_error()) return 0;
  for (const OutputView output : *outputs)
    if (!AllFinite(output.dtype, output.bytes)) std::abort();
  const auto again = Outputs::FromBlock(outputs->block());
  if (again.has_error() || !(*again == *outputs)) std::abort();
  return 0;
}
