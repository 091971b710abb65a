#include "backend/native/operators/expect_attributes.h"

#include <algorithm>

namespace punctual::native {

Result<void> ExpectAttributes(const InferContext& context, std::initializer_list<KnownAttribute> known) {
  for (const auto& [name, value] : context.node().attributes) {
    const auto found = std::find_if(known.begin(), known.end(),
                                    [&wanted = name](const KnownAttribute& one) { return one.name == wanted; });
    if (found == known.end()) return context.Unsupported("attribute \"" + name + "\" is not supported");
    if (value.index() != static_cast<std::size_t>(found->kind))
      return context.Wrong("attribute \"" + name + "\" is of another kind than it must be");
  }
  return {};
}

}  // namespace punctual::native
