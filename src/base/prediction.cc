#include "punctual/prediction.h"

namespace punctual {

std::string_view SourceName(Source source) {
  switch (source) {
    case Source::kL1: return "l1";
    case Source::kL2: return "l2";
    case Source::kL3: return "l3";
    case Source::kCoalesced: return "coalesced";
    case Source::kModel: return "model";
    case Source::kStudent: return "student";
    case Source::kStale: return "stale";
    case Source::kSignal: return "signal";
    case Source::kSemantic: return "semantic";
  }
  return "?";
}

}  // namespace punctual
