// Inputs for trying a model out, before anybody has asked it anything.
#pragma once

#include "model/backend.h"

namespace punctual {

// Normally distributed numbers, the same each time. Whole numbers are left as they are: they may be indices.
void FillRandomly(const Signature& signature, Session& session);

}  // namespace punctual
