// Where values stand in the arena: those that are never needed at once may share room.
#pragma once

#include <cstddef>
#include <vector>

namespace punctual::native {

// A value that lives in the arena from step `first` to step `last`, both included.
struct Tenant {
  std::size_t bytes = 0;
  std::size_t first = 0, last = 0;
};

struct ArenaLayout {
  std::vector<std::size_t> offsets;  // by tenant; multiples of 64
  std::size_t bytes = 0;             // of the whole arena
};

// Each tenant gets 64 bytes after its end that are nobody's at its time (plan/step.h). Largest first, each at the
// lowest offset that is free while it lives: not the smallest arena there is, but close for chains of layers. Where
// more than some hundred live at once, gaps between them stay. REQUIRES: first <= last.
ArenaLayout LayOut(const std::vector<Tenant>& tenants);

}  // namespace punctual::native
