// Whether two backends that were asked the same compute the same: roundings differ, meanings must not.
#pragma once

#include "model/backend.h"

namespace punctual {

// The same inputs and outputs: names, types, shapes.
bool HaveOneSignature(const Signature& a, const Signature& b);

// What two sessions of one signature computed. Floating-point outputs may be apart by a tenth of the largest number
// that `b` has in that output, as roundings are, those of codes of 8 bits too; where one is infinite or no number, the
// other must be so as well, with the same sign. Whole numbers are often the place of the largest of some, which a
// rounding may change: they are looked at, and must be equal, only where a model has nothing else.
bool AreAlike(const Signature& signature, const Session& a, const Session& b);

}  // namespace punctual
