#include "optimize/machine.h"

#include <array>
#include <fstream>
#include <sstream>

#include "base/threads.h"

namespace punctual::optimize {

namespace {

// What stands behind the colon of the first line that begins with `key`.
std::string CpuInfo(const std::string& key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (line.starts_with(key) && colon != line.npos && colon + 2 <= line.size()) return line.substr(colon + 2);
  }
  return "";
}

std::string Simd() {
  constexpr std::array<const char*, 8> kKnown = {"sse4_1",   "avx2",     "avx512f", "avx512_vnni",
                                                 "avx_vnni", "amx_int8", "asimd",   "sve"};
  std::istringstream flags(CpuInfo("flags") + " " + CpuInfo("Features"));
  std::string found;
  for (std::string flag; flags >> flag;)
    for (const char* const known : kKnown)
      if (flag == known) found += (found.empty() ? "" : " ") + flag;
  return found;
}

}  // namespace

Machine ThisMachine() {
  Machine machine{.cpu = CpuInfo("model name"), .simd = Simd(), .cores = UsableCores()};
  std::ifstream("/proc/loadavg") >> machine.load;
  return machine;
}

}  // namespace punctual::optimize
