// A model.toml: whatever it says, either a manifest whose features can be planned or refused, or an error.
#include <string_view>

#include "model/manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto manifest = punctual::ParseManifest({reinterpret_cast<const char*>(data), size}, "model.toml");
  if (manifest.has_value() && manifest->features) (void)punctual::FeaturePlan::Make(*manifest->features);
  return 0;
}
