// Inputs for trying a model out, before anybody has asked it anything.
#pragma once

#include "model/backend.h"

namespace punctual {

// Normally distributed numbers; whole ones, which may be indices, are 0 or 1. The same each time, and of a batch no
// member's are those of the member before it. `session`: of `signature`'s model, and any batch.
void FillRandomly(const Signature& signature, Session& session);

}  // namespace punctual
