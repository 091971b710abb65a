#include "model/backend_choice.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "model/kept_measurements.h"
#include "model/trial_inputs.h"

namespace punctual {

namespace {

// The two that "auto" chooses from.
constexpr std::array<const char*, 2> kCandidates = {"native", "openvino"};
// Each runs for a while, in turns, so that a slow moment of the machine meets all; the best turn counts.
constexpr int kTurns = 9;
constexpr int kLeastTurns = 2;
constexpr Duration kTurn = std::chrono::milliseconds(2);
constexpr Duration kPatience = std::chrono::milliseconds(500);
constexpr int kWarmUp = 5;

struct Candidate {
  std::string backend;
  std::unique_ptr<CompiledModel> compiled;
};

// Whatever may make one backend quicker than it was.
std::string CpuFacts() {
  std::string facts;
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line) && !line.empty();)  // up to the end of the first core's
    for (const char* const name :
         {"vendor_id", "cpu family", "model", "stepping", "flags", "CPU implementer", "CPU part", "Features"})
      if (line.starts_with(name)) facts += line + "\n";
  return facts;
}

Digest KeyOf(const CompileRequest& request) {
  static const std::string cpu = CpuFacts();
  const auto digest = [](std::string_view text) { return DigestOf(std::as_bytes(std::span(text))); };
  return digest(cpu + PUNCTUAL_VERSION "|" + request.device + "|" + request.variant + "|" +
                HexText(digest(request.onnx)));
}

Result<double> TurnOf(Session& session) {
  const TimePoint begin = std::chrono::steady_clock::now();
  TimePoint end = begin;
  int runs = 0;
  while (end - begin < kTurn) {
    PUNCTUAL_TRY(session.Run());
    ++runs;
    end = std::chrono::steady_clock::now();
  }
  return std::chrono::duration<double, std::micro>(end - begin).count() / runs;
}

// So far apart, as a share of the largest number of an output, that one of the two computes something else. Roundings,
// those of codes of 8 bits too, stay below.
constexpr double kApart = 0.1;

std::vector<double> Numbers(DType dtype, std::span<const std::byte> bytes) {
  std::vector<double> numbers;
  const auto read = [&]<class Float>(Float value) {
    for (std::size_t at = 0; at + sizeof value <= bytes.size(); at += sizeof value) {
      std::memcpy(&value, bytes.data() + at, sizeof value);
      numbers.push_back(static_cast<double>(value));
    }
  };
  if (dtype == DType::kFloat32) read(float{});
  if (dtype == DType::kFloat64) read(double{});
  return numbers;  // whole ones are often the place of the largest of some, which a rounding may change
}

bool AreAlike(const Signature& signature, const Session& a, const Session& b) {
  for (std::size_t i = 0; i < signature.outputs.size(); ++i) {
    const std::vector<double> of_a = Numbers(signature.outputs[i].dtype, a.output(i)),
                              of_b = Numbers(signature.outputs[i].dtype, b.output(i));
    double largest = 0, apart = 0;
    for (std::size_t at = 0; at < of_b.size(); ++at) {
      if (!std::isfinite(of_a[at]) && !std::isfinite(of_b[at])) continue;
      largest = std::max(largest, std::abs(of_b[at]));
      apart = std::max(apart, std::abs(of_a[at] - of_b[at]));
    }
    if (!(apart <= kApart * largest)) return false;
  }
  return true;
}

bool HaveOneSignature(const Signature& a, const Signature& b) {
  const auto same = [](const TensorSpec& one, const TensorSpec& other) {
    return one.name == other.name && one.dtype == other.dtype && one.shape == other.shape;
  };
  return std::equal(a.inputs.begin(), a.inputs.end(), b.inputs.begin(), b.inputs.end(), same) &&
         std::equal(a.outputs.begin(), a.outputs.end(), b.outputs.begin(), b.outputs.end(), same);
}

// One session of each, tried with the same inputs.
Result<std::vector<std::unique_ptr<Session>>> Tried(const std::vector<Candidate>& candidates) {
  std::vector<std::unique_ptr<Session>> sessions;
  for (const Candidate& candidate : candidates) {
    PUNCTUAL_ASSIGN(auto session, candidate.compiled->NewSession(1));
    FillRandomly(candidate.compiled->signature(), *session);
    for (int run = 0; run < kWarmUp; ++run) PUNCTUAL_TRY(session->Run());
    sessions.push_back(std::move(session));
  }
  return sessions;
}

Result<Measurements> Measure(const std::vector<Candidate>& candidates,
                             const std::vector<std::unique_ptr<Session>>& sessions) {
  Measurements best;
  const TimePoint end = std::chrono::steady_clock::now() + kPatience;
  for (int turn = 0; turn < kTurns && (turn < kLeastTurns || std::chrono::steady_clock::now() < end); ++turn)
    for (std::size_t i = 0; i < sessions.size(); ++i) {
      PUNCTUAL_ASSIGN(const double took, TurnOf(*sessions[i]));
      const auto [found, is_first] = best.emplace(candidates[i].backend, took);
      if (!is_first) found->second = std::min(found->second, took);
    }
  return best;
}

bool AreOf(const Measurements& measurements, const std::vector<Candidate>& candidates) {
  return measurements.size() == candidates.size() &&
         std::all_of(candidates.begin(), candidates.end(),
                     [&](const Candidate& candidate) { return measurements.contains(candidate.backend); });
}

std::string TextOf(const Measurements& measurements) {
  std::string text;
  for (const auto& [backend, microseconds] : measurements) {
    std::array<char, 32> number;
    std::snprintf(number.data(), number.size(), "%.1f us", microseconds);
    text += (text.empty() ? "" : ", ") + backend + " " + number.data();
  }
  return text;
}

// Of two that can run the file. Where they do not agree what it computes, the one that most people use is believed.
Result<BackendChoice> Quicker(std::vector<Candidate> candidates, const CompileRequest& request,
                              const std::string& kept_in) {
  const auto choose = [&candidates](std::size_t i, std::string reason) {
    return BackendChoice{std::move(candidates[i].backend), std::move(candidates[i].compiled), std::move(reason)};
  };
  const Signature& signature = candidates[1].compiled->signature();
  if (!HaveOneSignature(candidates[0].compiled->signature(), signature))
    return choose(1, candidates[0].backend + " has other inputs or outputs");
  const Digest key = KeyOf(request);
  std::optional<Measurements> measured;
  if (!kept_in.empty()) measured = FindKept(kept_in, key);
  std::string note;
  if (!measured || !AreOf(*measured, candidates)) {
    PUNCTUAL_ASSIGN(const auto sessions, Tried(candidates));
    if (!AreAlike(signature, *sessions[0], *sessions[1]))
      return choose(1, candidates[0].backend + " gives other answers to the same inputs");
    PUNCTUAL_ASSIGN(measured, Measure(candidates, sessions));
    if (kept_in.empty() || !Keep(kept_in, key, *measured)) note = "; not kept";
  }
  const bool first = measured->at(candidates[0].backend) <= measured->at(candidates[1].backend);
  return choose(first ? 0 : 1, TextOf(*measured) + note);
}

}  // namespace

Result<BackendChoice> ChooseBackend(const std::string& backend, const CompileRequest& request,
                                    const std::string& kept_in) {
  if (backend != "auto") {
    PUNCTUAL_ASSIGN(Backend* const found, FindBackend(backend));
    PUNCTUAL_ASSIGN(auto compiled, found->Compile(request));
    return BackendChoice{backend, std::move(compiled), ""};
  }
  std::vector<Candidate> candidates;
  std::optional<Error> error;
  std::string refusals;
  for (const char* const name : kCandidates) {
    const auto found = FindBackend(name);
    if (found.has_error()) continue;  // this program was built without it
    auto compiled = found.value()->Compile(request);
    if (compiled.has_value()) {
      candidates.push_back({name, std::move(compiled).value()});
      continue;
    }
    error = compiled.error();
    refusals += (refusals.empty() ? "" : "; ") + compiled.error().message;
  }
  if (candidates.empty() && error) return Fail(error->code, refusals);
  if (candidates.empty()) return Fail(Code::kNotFound, "backend: this program has none for \"auto\"; name one");
  if (candidates.size() == 1)
    return BackendChoice{std::move(candidates[0].backend), std::move(candidates[0].compiled), std::move(refusals)};
  return Quicker(std::move(candidates), request, kept_in);
}

}  // namespace punctual
