// Threads: how many this process may use, what they are called, where they run.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace punctual {

// The cores this process may use: the smaller of its affinity mask and its cgroup's CPU quota (rounded up), at least 1.
int UsableCores();
// The cgroup's CPU quota is below the cores of the affinity mask: who uses more is stopped until the period's end.
bool HasCpuQuota();

// Names the calling thread (15 bytes are shown by the system's tools).
void NameThisThread(const std::string& name);

// Lets the calling thread come after others: `nice` as the system's, 0 to 19. False: the system does not let it.
bool NiceThisThread(int nice);

// This process may use that core (a number as in /proc/cpuinfo).
bool MayUseCore(int core);
// Keeps the calling thread on these cores (numbers as in /proc/cpuinfo); none: it stays where it may be. False: this
// process may use none of them, and nothing changed.
bool PinThisThread(std::span<const int> cores);

// A small number for the calling thread, the same for its whole life: spreads threads over per-thread cells.
std::size_t ThisThreadNumber();

}  // namespace punctual
