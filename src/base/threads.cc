#include "base/threads.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <fstream>

namespace punctual {

namespace {

// The quota in cores of cgroup v2 ("max 100000" or "150000 100000"); 0: none, or not to be read.
double CgroupQuotaCores() {
  std::ifstream membership("/proc/self/cgroup");
  std::string line, folder;
  while (std::getline(membership, line))
    if (line.starts_with("0::")) folder = line.substr(3);
  double cores = 0;
  // A limit on any of the enclosing groups holds.
  for (std::string at = folder; !folder.empty(); at = at.substr(0, at.rfind('/'))) {
    std::ifstream file("/sys/fs/cgroup" + at + "/cpu.max");
    std::string quota;
    double period = 0;
    if (file >> quota >> period && quota != "max" && period > 0) {
      const double here = std::strtod(quota.c_str(), nullptr) / period;
      cores = cores == 0 ? here : std::min(cores, here);
    }
    if (at.empty() || at == "/") break;
  }
  return cores;
}

int AffinityCores() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

}  // namespace

bool HasCpuQuota() {
  const double quota = CgroupQuotaCores();
  return quota > 0 && quota < AffinityCores();
}

int UsableCores() {
  int cores = AffinityCores();
  if (const double quota = CgroupQuotaCores(); quota > 0) cores = std::min(cores, static_cast<int>(std::ceil(quota)));
  return std::max(1, cores);
}

void NameThisThread(const std::string& name) { pthread_setname_np(pthread_self(), name.substr(0, 15).c_str()); }

// On Linux a thread has a priority of its own, whatever POSIX says of processes.
bool NiceThisThread(int nice) {
  return ::setpriority(PRIO_PROCESS, static_cast<id_t>(::syscall(SYS_gettid)), nice) == 0;
}

bool MayUseCore(int core) {
  cpu_set_t set;
  return core >= 0 && core < CPU_SETSIZE && sched_getaffinity(0, sizeof set, &set) == 0 &&
         CPU_ISSET(static_cast<std::size_t>(core), &set);
}

bool PinThisThread(std::span<const int> cores) {
  if (cores.empty()) return true;
  cpu_set_t set;
  CPU_ZERO(&set);
  for (const int core : cores)
    if (core >= 0 && core < CPU_SETSIZE) CPU_SET(static_cast<std::size_t>(core), &set);
  return pthread_setaffinity_np(pthread_self(), sizeof set, &set) == 0;
}

std::size_t ThisThreadNumber() {
  static std::atomic<std::size_t> next = 0;
  thread_local const std::size_t number = next.fetch_add(1, std::memory_order_relaxed);
  return number;
}

}  // namespace punctual
