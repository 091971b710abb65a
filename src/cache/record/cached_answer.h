// What the cache keeps: the answer as the model gave it, and what it is about. Provenance is the asker's own.
#pragma once

#include "cache/record/subject.h"
#include "punctual/prediction.h"

namespace punctual {

struct CachedAnswer {
  Outputs outputs;
  Subject subject;
  // The books it was computed from, and when the newest of them arrived (or, of tensors, when it was computed): what an
  // approximate hit says of itself. An exact one speaks of its asker's own books, which are the same; records leave
  // these out.
  AsOf as_of;
  TimePoint arrived{};
  TimePoint expires{};  // set by the cache that keeps it
};

}  // namespace punctual
