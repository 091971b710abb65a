// What one core can do at most, on this machine: core_limits [CORE]. A line of JSON for each figure, of every target of
// Highway's that the processor has: multiply-adds in float and of codes (8 bits, sums in 32), and how fast working sets
// from 16 kB to 16 MB are read. Of each figure the best of many short measurements: a limit, not an average.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "core_limits.cc"
#ifndef HWY_WANT_AVX3_DL
#define HWY_WANT_AVX3_DL  // the target with VNNI is not made unless asked for
#endif
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace punctual {
namespace HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// More than latency times ports of any core, and few enough for 16 registers.
constexpr std::size_t kChains = 12;

// Floating-point operations that it did.
double MultiplyAdds(std::size_t rounds, float seed) {
  const hn::ScalableTag<float> d;
  const auto a = hn::Set(d, seed), b = hn::Set(d, 0.5f * seed);
  // All begin with another number, or the compiler would find out that some are the same.
  auto s0 = a, s1 = b;
  auto s2 = hn::Set(d, 2 * seed);
  auto s3 = hn::Set(d, 3 * seed);
  auto s4 = hn::Set(d, 4 * seed);
  auto s5 = hn::Set(d, 5 * seed);
  auto s6 = hn::Set(d, 6 * seed);
  auto s7 = hn::Set(d, 7 * seed);
  auto s8 = hn::Set(d, 8 * seed);
  auto s9 = hn::Set(d, 9 * seed);
  auto s10 = hn::Set(d, 10 * seed);
  auto s11 = hn::Set(d, 11 * seed);
  for (std::size_t i = 0; i < rounds; ++i) {
    s0 = hn::MulAdd(s0, a, b);
    s1 = hn::MulAdd(s1, a, b);
    s2 = hn::MulAdd(s2, a, b);
    s3 = hn::MulAdd(s3, a, b);
    s4 = hn::MulAdd(s4, a, b);
    s5 = hn::MulAdd(s5, a, b);
    s6 = hn::MulAdd(s6, a, b);
    s7 = hn::MulAdd(s7, a, b);
    s8 = hn::MulAdd(s8, a, b);
    s9 = hn::MulAdd(s9, a, b);
    s10 = hn::MulAdd(s10, a, b);
    s11 = hn::MulAdd(s11, a, b);
  }
  const auto sum =
      hn::Add(hn::Add(hn::Add(s0, s1), hn::Add(s2, s3)),
              hn::Add(hn::Add(hn::Add(s4, s5), hn::Add(s6, s7)), hn::Add(hn::Add(s8, s9), hn::Add(s10, s11))));
  volatile float used = hn::GetLane(hn::SumOfLanes(d, sum));
  static_cast<void>(used);
  return static_cast<double>(rounds * kChains * hn::Lanes(d)) * 2;
}

#if HWY_ARCH_X86
#if HWY_TARGET <= HWY_AVX3
using Codes = __m512i;
#elif HWY_TARGET <= HWY_AVX2
using Codes = __m256i;
#else
using Codes = __m128i;
#endif

HWY_INLINE Codes Multiply(Codes sum, Codes unsigned_codes, Codes signed_codes) {
#if HWY_TARGET <= HWY_AVX3_DL
  // Not as an intrinsic: Highway 1.0.3 does not switch AVX512_VNNI on for the target that has it.
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(unsigned_codes), "v"(signed_codes));
  return sum;
#elif HWY_TARGET <= HWY_AVX3
  const Codes pairs = _mm512_maddubs_epi16(unsigned_codes, signed_codes);
  return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
#elif HWY_TARGET <= HWY_AVX2
  const Codes pairs = _mm256_maddubs_epi16(unsigned_codes, signed_codes);
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
#elif HWY_TARGET <= HWY_SSSE3
  const Codes pairs = _mm_maddubs_epi16(unsigned_codes, signed_codes);
  return _mm_add_epi32(sum, _mm_madd_epi16(pairs, _mm_set1_epi16(1)));
#else
  static_cast<void>(signed_codes);
  return _mm_add_epi32(sum, unsigned_codes);
#endif
}

// What the compiler must take for new each time.
HWY_INLINE Codes New(Codes codes) {
  asm volatile("" : "+x"(codes));
  return codes;
}

// Multiplications and additions of codes that it did; 0: the target has no instructions for that.
double CodeProducts(std::size_t rounds) {
#if HWY_TARGET > HWY_SSSE3
  static_cast<void>(rounds);
  return 0;
#else
  Codes sums[kChains] = {};
  Codes a = {}, b = {};
  b = New(b);
  for (std::size_t i = 0; i < rounds; ++i) {
    HWY_UNROLL(12)
    for (std::size_t k = 0; k < kChains; ++k) {
      a = New(a);
      sums[k] = New(Multiply(sums[k], a, b));
    }
  }
  return static_cast<double>(rounds * kChains * sizeof(Codes)) * 2;
#endif
}
#else
double CodeProducts(std::size_t) { return 0; }
#endif

// Reads `bytes` from `from` `rounds` times; both multiples of what 8 vectors hold.
double Read(const std::uint8_t* from, std::size_t bytes, std::size_t rounds) {
  const hn::ScalableTag<std::uint8_t> d;
  const std::size_t n = hn::Lanes(d);
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  for (std::size_t round = 0; round < rounds; ++round)
    for (std::size_t at = 0; at < bytes; at += 8 * n) {
      s0 = hn::Xor(s0, hn::Xor(hn::Load(d, from + at), hn::Load(d, from + at + n)));
      s1 = hn::Xor(s1, hn::Xor(hn::Load(d, from + at + 2 * n), hn::Load(d, from + at + 3 * n)));
      s2 = hn::Xor(s2, hn::Xor(hn::Load(d, from + at + 4 * n), hn::Load(d, from + at + 5 * n)));
      s3 = hn::Xor(s3, hn::Xor(hn::Load(d, from + at + 6 * n), hn::Load(d, from + at + 7 * n)));
    }
  volatile std::uint8_t used = hn::GetLane(hn::Xor(hn::Xor(s0, s1), hn::Xor(s2, s3)));
  static_cast<void>(used);
  return static_cast<double>(bytes) * static_cast<double>(rounds);
}

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace punctual
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/threads.h"

namespace punctual {
namespace {

HWY_EXPORT(MultiplyAdds);
HWY_EXPORT(CodeProducts);
HWY_EXPORT(Read);

constexpr int kMeasurements = 300;
constexpr std::size_t kLargestBytes = std::size_t{16} << 20;

// In billions a second, the best of many.
template <class Work>
double BestRate(Work work) {
  double best = 0;
  for (int i = 0; i < kMeasurements; ++i) {
    const auto before = std::chrono::steady_clock::now();
    const double done = work();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - before;
    best = std::max(best, done / took.count());
  }
  return best;
}

void Print(const std::string& name, double value, const char* unit) {
  std::printf("{\"name\": \"%s\", \"value\": %.5g, \"unit\": \"%s\", \"better\": \"higher\"}\n", name.c_str(), value,
              unit);
  std::fflush(stdout);
}

// How often a core can load a number from its first cache.
double Loads(const std::uint32_t* from, std::size_t count) {
  constexpr std::size_t kRounds = 200;
  for (std::size_t round = 0; round < kRounds; ++round)
    for (std::size_t i = 0; i < count; i += 8) {
      HWY_UNROLL(8)
      for (std::size_t k = 0; k < 8; ++k) {
        std::uint32_t loaded = from[i + k];
        asm volatile("" : "+r"(loaded));  // or the compiler would load many at once
      }
    }
  return static_cast<double>(kRounds * count);
}

void MeasureTarget(const std::vector<std::uint8_t>& memory, float seed) {
  const std::int64_t supported = hwy::SupportedTargets();
  const std::string target = hwy::TargetName(supported & -supported);  // the lowest is the best
  Print("fma_" + target, BestRate([&] { return HWY_DYNAMIC_DISPATCH(MultiplyAdds)(20000, seed); }), "GFLOP/s");
  const double codes = BestRate([] { return HWY_DYNAMIC_DISPATCH(CodeProducts)(20000); });
  if (codes > 0) Print("int8_" + target, codes, "Gop/s");
  const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
  const std::uint8_t* const aligned = memory.data() + (64 - address % 64) % 64;
  for (std::size_t bytes = std::size_t{16} << 10; bytes <= kLargestBytes; bytes *= 2) {
    const std::size_t rounds = std::max<std::size_t>(2, (std::size_t{4} << 20) / bytes);
    Print("read_" + target + "_" + std::to_string(bytes >> 10) + "kB",
          BestRate([&] { return HWY_DYNAMIC_DISPATCH(Read)(aligned, bytes, rounds); }), "GB/s");
  }
}

int Main(int argc, char** argv) {
  const int core = argc > 1 ? static_cast<int>(std::strtol(argv[1], nullptr, 10)) : 0;
  if (argc > 1 && !PinThisThread({&core, 1})) {
    std::fprintf(stderr, "core_limits: core %d is not ours\n", core);
    return 1;
  }
  const std::vector<std::uint8_t> memory(kLargestBytes + 64, 1);
  const std::vector<std::uint32_t> numbers(2048, 1);
  Print("loads", BestRate([&] { return Loads(numbers.data(), numbers.size()); }), "G/s");
  // From the best target down, each one's better ones disabled.
  std::int64_t left = hwy::SupportedTargets();
  if ((left & (HWY_AVX2 | HWY_SSE4)) != 0) left &= ~(HWY_SSSE3 | HWY_EMU128 | HWY_SCALAR);  // nobody is left with those
  for (; left != 0; left &= left - 1) {
    // Not DisableTargets: SupportedTargets, whenever it is asked, would choose among all of them again.
    hwy::SetSupportedTargetsForTest(left);
    MeasureTarget(memory, static_cast<float>(argc) / 1024);
  }
  return 0;
}

}  // namespace
}  // namespace punctual

int main(int argc, char** argv) { return punctual::Main(argc, argv); }
#endif  // HWY_ONCE
