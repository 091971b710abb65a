// The threads of BusyCores, as the system knows them.
#pragma once

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace punctual::test {

// How many this process has now.
inline int BusyThreads() {
  int threads = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "comm");
    std::string name;
    threads += std::getline(file, name) && name == "busy-core" ? 1 : 0;
  }
  return threads;
}

// The system may list a thread for a moment after it was joined. False: there are some still.
inline bool BusyThreadsEnd() {
  constexpr int kPatience = 1000;
  for (int i = 0; i < kPatience && BusyThreads() > 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return BusyThreads() == 0;
}

}  // namespace punctual::test
