#include "optimize/busy_cores.h"

#include <algorithm>
#include <latch>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <system_error>
#include <utility>

#include "base/threads.h"

namespace punctual::optimize {

namespace {

constexpr std::size_t kNumbers = std::size_t{1} << 20;  // 4 MiB: more than a core's own caches
constexpr std::size_t kPart = 1024;                     // between two looks at whether to end
constexpr int kSums = 16;                               // with each number, as inference has many for each it reads

void Work(const std::stop_token& stop, std::span<float> numbers) {
  for (std::size_t begin = 0; !stop.stop_requested(); begin = (begin + kPart) % numbers.size())
    for (float& number : numbers.subspan(begin, kPart))
      for (int i = 0; i < kSums; ++i) number = number * 0.5f + 0.5f;
}

}  // namespace

Result<BusyCores> BusyCores::Start(int threads) {
  static_assert(kNumbers % kPart == 0);
  BusyCores busy;
  const auto begun = std::make_shared<std::latch>(threads);  // threads may look at it when nobody waits any more
  for (int i = 0; i < threads; ++i) {
    std::vector<float> numbers(kNumbers, 1);
    try {
      busy.threads_.emplace_back([begun, numbers = std::move(numbers)](const std::stop_token& stop) mutable {
        NameThisThread("busy-core");
        begun->count_down();
        Work(stop, numbers);
      });
    } catch (const std::system_error&) {
      return Fail(Code::kResourceExhausted, "latency: the system allows " + std::to_string(i) + " threads more, and " +
                                                std::to_string(threads) +
                                                " are to keep the other cores busy; allow more, or fewer cores");
    }
  }
  begun->wait();
  return busy;
}

}  // namespace punctual::optimize
