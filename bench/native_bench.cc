// Times backends side by side on models of make_model, one core, one question at a time, and compares what they give
// with what model_reference says. A line of JSON for each contender:
//   {"name": ..., "p50_us": ..., "p99_us": ..., "p999_us": ..., "runs": ..., "max_error": ...}, or
//   {"name": ..., "refused": "why it cannot run"}
// All take turns in blocks of a few milliseconds, in a new random order each round, so that what else the machine does
// hits all alike; each block begins with runs that do not count, which bring the contender's code and weights back into
// the caches. Questions change with each run; writing them is not timed. What reading the clock costs is taken off.
#include <hwy/targets.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <numeric>
#include <random>

#include "base/clock.h"
#include "base/threads.h"
#include "model/backend.h"

namespace punctual {
namespace {

constexpr double kBlockNs = 4e6, kUncountedNs = 2e5;
constexpr std::size_t kLeastRuns = 4;  // a block, of those that count

struct Options {
  int core = -1;
  double seconds = 4;
  std::string target;
  std::uint32_t seed = 1;
  std::vector<std::string> contenders;
};

std::int64_t NowNs() { return Clock::Real().Now().time_since_epoch().count(); }

std::string Quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c == '\n' ? ' ' : c;
  }
  return quoted + '"';
}

Result<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return Fail(Code::kNotFound, path + ": cannot be read");
  return std::string(std::istreambuf_iterator<char>(file), {});
}

double AsDouble(DType dtype, const std::byte* bytes) {
  const auto as = [&]<class T>(T value) {
    std::memcpy(&value, bytes, sizeof value);
    return static_cast<double>(value);
  };
  switch (dtype) {
    case DType::kFloat32: return as(0.0f);
    case DType::kFloat64: return as(0.0);
    case DType::kInt32: return as(std::int32_t{});
    case DType::kInt64: return as(std::int64_t{});
  }
  return 0;
}

class Contender {
 public:
  explicit Contender(std::string name) : name_(std::move(name)) {}

  // `what`: BACKEND:VARIANT:FILE.
  Result<void> Prepare(const std::string& what) {
    const std::size_t first = what.find(':'), second = what.find(':', first + 1);
    if (second == std::string::npos) return Fail(Code::kInvalidArgument, what + ": is not BACKEND:VARIANT:FILE");
    const std::string path = what.substr(second + 1);
    PUNCTUAL_ASSIGN(const std::string onnx, ReadFile(path));
    PUNCTUAL_ASSIGN(inputs_, ReadFile(path + ".inputs"));
    PUNCTUAL_ASSIGN(const std::string expected, ReadFile(path + ".expected"));
    PUNCTUAL_ASSIGN(Backend * backend, FindBackend(what.substr(0, first)));
    PUNCTUAL_ASSIGN(model_, backend->Compile({onnx, path, what.substr(first + 1, second - first - 1), "CPU"}));
    PUNCTUAL_ASSIGN(session_, model_->NewSession(1));
    if (inputs_.empty() || inputs_.size() % session_->input(0).size() != 0)
      return Fail(Code::kInvalidArgument, path + ".inputs: is not of this model");
    return Compare(expected);
  }

  void Block(double clock_ns) {
    for (double used = 0; used < kUncountedNs; used += static_cast<double>(TimedRun())) {
    }
    const double typical = run_ns_ > 0 ? run_ns_ : static_cast<double>(TimedRun());
    const auto runs = std::max(kLeastRuns, static_cast<std::size_t>(kBlockNs / std::max(typical, 1.0)));
    const std::size_t before = times_ns_.size();
    for (std::size_t i = 0; i < runs; ++i)
      times_ns_.push_back(std::max(0.0f, static_cast<float>(static_cast<double>(TimedRun()) - clock_ns)));
    run_ns_ = std::accumulate(times_ns_.begin() + static_cast<std::ptrdiff_t>(before), times_ns_.end(), 0.0) /
              static_cast<double>(runs);
  }

  void Print() {
    if (times_ns_.empty()) return;
    std::sort(times_ns_.begin(), times_ns_.end());
    const auto quantile_us = [&](double q) {
      const double rank = std::ceil(q * static_cast<double>(times_ns_.size()));
      return static_cast<double>(times_ns_[static_cast<std::size_t>(std::max(rank, 1.0)) - 1]) / 1e3;
    };
    std::printf(
        "{\"name\": %s, \"p50_us\": %.4f, \"p99_us\": %.4f, \"p999_us\": %.4f, \"runs\": %zu, \"max_error\": %.3g}\n",
        Quoted(name_).c_str(), quantile_us(0.5), quantile_us(0.99), quantile_us(0.999), times_ns_.size(), max_error_);
  }

 private:
  void NextInput() {
    const std::span<std::byte> to = session_->input(0);
    std::memcpy(to.data(), inputs_.data() + at_, to.size());
    at_ = (at_ + to.size()) % inputs_.size();
  }

  std::int64_t TimedRun() {
    NextInput();
    const std::int64_t before = NowNs();
    const bool ran = session_->Run().has_value();
    const std::int64_t after = NowNs();
    if (!ran) std::abort();  // it ran before
    return after - before;
  }

  // The largest error, as a share of the output's largest number where that is above one.
  Result<void> Compare(const std::string& expected) {
    const std::vector<TensorSpec>& outputs = model_->signature().outputs;
    std::vector<double> errors(outputs.size(), 0.0), largest(outputs.size(), 1.0);
    const char* from = expected.data();
    for (std::size_t input = 0; input < inputs_.size() / session_->input(0).size(); ++input) {
      NextInput();
      PUNCTUAL_TRY(session_->Run());
      for (std::size_t i = 0; i < outputs.size(); ++i) {
        const std::span<const std::byte> bytes = session_->output(i);
        for (std::size_t at = 0; at < bytes.size(); at += SizeOf(outputs[i].dtype), from += sizeof(double)) {
          if (from + sizeof(double) > expected.data() + expected.size())
            return Fail(Code::kInvalidArgument, name_ + ": gives more numbers than are expected");
          double exact = 0;
          std::memcpy(&exact, from, sizeof exact);
          largest[i] = std::max(largest[i], std::abs(exact));
          const double error = std::abs(AsDouble(outputs[i].dtype, bytes.data() + at) - exact);
          errors[i] = std::isnan(error) ? HUGE_VAL : std::max(errors[i], error);
        }
      }
    }
    for (std::size_t i = 0; i < outputs.size(); ++i) max_error_ = std::max(max_error_, errors[i] / largest[i]);
    return {};
  }

  const std::string name_;
  std::string inputs_;
  std::unique_ptr<CompiledModel> model_;
  std::unique_ptr<Session> session_;
  std::size_t at_ = 0;  // the next input, in bytes
  double run_ns_ = 0, max_error_ = 0;
  std::vector<float> times_ns_;
};

double ClockNs() {
  std::vector<std::int64_t> times(10001);
  for (std::int64_t& time : times) {
    const std::int64_t before = NowNs();
    time = NowNs() - before;
  }
  std::nth_element(times.begin(), times.begin() + 5000, times.end());
  return static_cast<double>(times[5000]);
}

// Those that are better than `target` are not used; empty: all are.
bool UseTarget(const std::string& target) {
  if (target.empty()) return true;
  const std::int64_t supported = hwy::SupportedTargets();
  for (std::int64_t bit = 1; bit > 0 && bit <= HWY_SCALAR; bit <<= 1)
    if ((supported & bit) != 0 && target == hwy::TargetName(bit)) {
      // Not DisableTargets: SupportedTargets, whenever it is asked, would choose among all of them again.
      hwy::SetSupportedTargetsForTest(supported & ~(bit - 1));  // the better, the lower
      return true;
    }
  return false;
}

int Run(const Options& options) {
  if (!UseTarget(options.target)) {
    std::fprintf(stderr, "native_bench: this machine has no target \"%s\"\n", options.target.c_str());
    return 1;
  }
  // Before any backend starts threads, which stay on the same core then.
  const int core = options.core;
  if (core >= 0 && !PinThisThread({&core, 1})) {
    std::fprintf(stderr, "native_bench: core %d is not ours\n", core);
    return 1;
  }
  std::vector<std::unique_ptr<Contender>> running;
  for (const std::string& what : options.contenders) {
    const std::size_t is = what.find('=');
    if (is == std::string::npos) {
      std::fprintf(stderr, "native_bench: %s: is not NAME=BACKEND:VARIANT:FILE\n", what.c_str());
      return 2;
    }
    const std::string name = what.substr(0, is);
    auto contender = std::make_unique<Contender>(name);
    if (const Result<void> prepared = contender->Prepare(what.substr(is + 1)); !prepared)
      std::printf("{\"name\": %s, \"refused\": %s}\n", Quoted(name).c_str(), Quoted(prepared.error().message).c_str());
    else
      running.push_back(std::move(contender));
  }
  const double clock_ns = ClockNs();
  std::mt19937 random(options.seed);
  const std::int64_t end_ns = NowNs() + static_cast<std::int64_t>(options.seconds * 1e9);
  while (!running.empty() && NowNs() < end_ns) {
    std::shuffle(running.begin(), running.end(), random);
    for (const auto& contender : running) contender->Block(clock_ns);
  }
  for (const auto& contender : running) contender->Print();
  return 0;
}

int Main(int argc, char** argv) {
  Options options;
  CLI::App app("Times backends side by side.");
  app.add_option("--core", options.core, "where to run (anywhere)");
  app.add_option("--seconds", options.seconds, "for all contenders together (4)");
  app.add_option("--target", options.target,
                 "the best vector instructions that the native backend uses, as AVX2 (all)");
  app.add_option("--seed", options.seed, "of the order (1)");
  app.add_option("contenders", options.contenders, "NAME=BACKEND:VARIANT:FILE")->required();
  CLI11_PARSE(app, argc, argv);
  return Run(options);
}

}  // namespace
}  // namespace punctual

int main(int argc, char** argv) { return punctual::Main(argc, argv); }
