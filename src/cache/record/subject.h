// What a kept answer is about, as far as purging goes: hashes, so that layers keep and compare 24 bytes and no names.
#pragma once

#include <cstdint>

namespace punctual {

struct Subject {
  std::uint64_t model = 0;    // of the model's name
  std::uint64_t version = 0;  // of what answers: its file, variant, backend (ServedModel::digest)
  std::uint64_t symbol = 0;   // of the symbol's name; 0: about none
  bool operator==(const Subject&) const = default;
};

// Which answers a purge drops: those that agree with every part that is not 0. All 0: everything.
struct SubjectFilter {
  std::uint64_t model = 0, version = 0, symbol = 0;
  bool Matches(const Subject& subject) const {
    return (model == 0 || model == subject.model) && (version == 0 || version == subject.version) &&
           (symbol == 0 || symbol == subject.symbol);
  }
};

}  // namespace punctual
