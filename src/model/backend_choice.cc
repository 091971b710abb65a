#include "model/backend_choice.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <limits>
#include <vector>

#include "base/clock.h"
#include "base/digest.h"
#include "model/alike_answers.h"
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
constexpr Duration kLongestWarmUp = std::chrono::milliseconds(50);

struct Candidate {
  std::string backend;
  std::unique_ptr<CompiledModel> compiled;
  std::unique_ptr<Session> session;
};

BackendChoice Choice(Candidate candidate, std::string reason, std::string note = {}) {
  return {std::move(candidate.backend), std::move(candidate.compiled), std::move(candidate.session), std::move(reason),
          std::move(note)};
}

// What backends say that cannot run the file.
class Refusals {
 public:
  explicit Refusals(const CompileRequest& request) : request_(request) {}

  void Add(const std::string& backend, const Error& error) {
    std::string_view said = error.message;
    const bool is_of_file = Cut(said, request_.where + ": ");
    Cut(said, backend + ": ");
    of_file_ = of_file_ || is_of_file;
    text_ += (text_.empty() ? "" : "; ") + backend + ": " + std::string(said);
    code_ = error.code;
  }
  bool empty() const { return text_.empty(); }
  // "native: ...; openvino: ..."
  const std::string& text() const { return text_; }
  Error All() const {
    if (of_file_ && !IsOnnx())
      return Fail(Code::kInvalidArgument, request_.where + ": is no ONNX file, or a broken one");
    return Fail(code_, (of_file_ ? request_.where + ": " : "") + text_);
  }

 private:
  static bool Cut(std::string_view& text, const std::string& beginning) {
    if (!text.starts_with(beginning)) return false;
    text.remove_prefix(beginning.size());
    return true;
  }
  // Read only here, where nobody could run it: a backend that can read a file may call it what it likes.
  bool IsOnnx() const {
    onnx::ModelProto model;
    return request_.onnx.size() <= static_cast<std::size_t>(std::numeric_limits<int>::max()) &&
           model.ParseFromArray(request_.onnx.data(), static_cast<int>(request_.onnx.size())) && model.has_graph();
  }

  const CompileRequest& request_;
  std::string text_;
  Code code_ = Code::kInvalidArgument;
  bool of_file_ = false;
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
  return DigestOf(cpu + PUNCTUAL_VERSION "|" + request.device + "|" + request.precision + "|" +
                  HexText(DigestOf(request.onnx)));
}

// With a session: some backends compile, and refuse, only then.
Result<Candidate> Compiled(const std::string& name, const CompileRequest& request) {
  PUNCTUAL_ASSIGN(Backend* const backend, FindBackend(name));
  PUNCTUAL_ASSIGN(auto compiled, backend->Compile(request));
  PUNCTUAL_ASSIGN(auto session, compiled->NewSession(1));
  return Candidate{name, std::move(compiled), std::move(session)};
}

// All candidates have answered the same inputs.
Result<Candidate> Tried(const std::string& name, const CompileRequest& request) {
  PUNCTUAL_ASSIGN(Candidate candidate, Compiled(name, request));
  FillRandomly(candidate.compiled->signature(), *candidate.session);
  const TimePoint end = std::chrono::steady_clock::now() + kLongestWarmUp;
  for (int run = 0; run == 0 || (run < kWarmUp && std::chrono::steady_clock::now() < end); ++run)
    if (const auto ran = candidate.session->Run(); ran.has_error())
      return Fail(ran.error().code, request.where + ": " + ran.error().message);
  return candidate;
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

// `at`: whom an error is of.
Result<Measurements> Measure(const std::vector<Candidate>& candidates, std::size_t& at) {
  Measurements best;
  const TimePoint end = std::chrono::steady_clock::now() + kPatience;
  for (int turn = 0; turn < kTurns && (turn < kLeastTurns || std::chrono::steady_clock::now() < end); ++turn)
    for (at = 0; at < candidates.size(); ++at) {
      PUNCTUAL_ASSIGN(const double took, TurnOf(*candidates[at].session));
      const auto [found, is_first] = best.emplace(candidates[at].backend, took);
      if (!is_first) found->second = std::min(found->second, took);
    }
  return best;
}

std::size_t QuickerOf(const Measurements& measured) {
  return measured.at(kCandidates[1]) <= kMuchQuicker * measured.at(kCandidates[0]) ? 1 : 0;
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

// The one that was quicker when both were measured, which alone is compiled. Nothing: that is to be done, or done
// again.
std::optional<BackendChoice> KeptChoice(const CompileRequest& request, const std::string& kept_in, const Digest& key) {
  const std::optional<Measurements> measured = FindKept(kept_in, key);
  if (!measured || measured->size() != kCandidates.size()) return std::nullopt;
  for (const char* const name : kCandidates)
    if (!measured->contains(name) || FindBackend(name).has_error()) return std::nullopt;
  auto candidate = Compiled(kCandidates[QuickerOf(*measured)], request);
  if (candidate.has_error()) return std::nullopt;
  return Choice(std::move(candidate).value(), TextOf(*measured));
}

bool IsQuantised(std::string_view onnx) {
  onnx::ModelProto model;
  if (onnx.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !model.ParseFromArray(onnx.data(), static_cast<int>(onnx.size())))
    return false;
  const auto& nodes = model.graph().node();
  return std::any_of(nodes.begin(), nodes.end(),
                     [](const onnx::NodeProto& node) { return node.op_type() == "DequantizeLinear"; });
}

// A backend that was named computes a quantised file as its codes say, as far as the native one can tell.
Result<void> CheckCodes(Candidate& named, const CompileRequest& request) {
  if (named.backend == kCandidates[0] || !IsQuantised(request.onnx)) return {};
  const auto native = Tried(kCandidates[0], request);
  const Signature& signature = named.compiled->signature();
  if (native.has_error() || !HaveOneSignature(native->compiled->signature(), signature)) return {};
  FillRandomly(signature, *named.session);
  if (named.session->Run().has_error() || AreAlike(signature, *native->session, *named.session)) return {};
  return Fail(Code::kFailedPrecondition, "backend: \"" + named.backend +
                                             "\" gives other answers to the same inputs than this file's codes do; "
                                             "take backend = \"native\" or \"auto\"");
}

// Of two that can run the file. Where they do not agree what it computes, the one that most people use is believed; of
// codes of 8 bits the native one, whose answers follow from them bit by bit: others are known to get them wrong.
BackendChoice Quicker(std::vector<Candidate> candidates, const CompileRequest& request, const std::string& kept_in,
                      const Digest& key) {
  const Signature& signature = candidates[1].compiled->signature();
  if (!HaveOneSignature(candidates[0].compiled->signature(), signature))
    return Choice(std::move(candidates[1]), candidates[0].backend + " has other inputs or outputs");
  if (!AreAlike(signature, *candidates[0].session, *candidates[1].session)) {
    const std::size_t believed = IsQuantised(request.onnx) ? 0 : 1;
    return Choice(std::move(candidates[believed]),
                  candidates[1 - believed].backend + " gives other answers to the same inputs");
  }
  std::size_t at = 0;
  const auto measured = Measure(candidates, at);
  if (measured.has_error()) {
    Refusals refusals(request);
    refusals.Add(candidates[at].backend, measured.error());
    return Choice(std::move(candidates[1 - at]), refusals.text());
  }
  std::string note;
  if (!kept_in.empty())
    if (const auto kept = Keep(kept_in, key, *measured); kept.has_error())
      note = "models.backend_choices: " + kept.error().message + "; backends are measured again at each start";
  return Choice(std::move(candidates[QuickerOf(*measured)]), TextOf(*measured), std::move(note));
}

Result<BackendChoice> ChooseOfAll(const CompileRequest& request, const std::string& kept_in) {
  const Digest key = KeyOf(request);
  if (!kept_in.empty())
    if (auto kept = KeptChoice(request, kept_in, key)) return *std::move(kept);
  std::vector<Candidate> candidates;
  Refusals refusals(request);
  for (const char* const name : kCandidates) {
    if (FindBackend(name).has_error()) continue;  // this program was built without it
    auto candidate = Tried(name, request);
    if (candidate.has_value())
      candidates.push_back(std::move(candidate).value());
    else
      refusals.Add(name, candidate.error());
  }
  if (candidates.size() == 2) return Quicker(std::move(candidates), request, kept_in, key);
  if (candidates.size() == 1) return Choice(std::move(candidates[0]), refusals.text());
  if (refusals.empty()) return Fail(Code::kNotFound, "backend: this program has none for \"auto\"; name one");
  return refusals.All();
}

// What a backend that was named says, and who can do what it cannot.
Error RefusalOf(const std::string& backend, const Error& error, const CompileRequest& request) {
  const bool is_of_manifest = !error.message.starts_with(request.where + ": ");
  Refusals refusals(request);
  refusals.Add(backend, error);
  Error refusal = is_of_manifest ? error : refusals.All();
  for (const std::string other : kCandidates) {
    if (other == backend || FindBackend(other).has_error()) continue;
    const auto candidate = Compiled(other, request);
    if (candidate.has_value())
      refusal.message += "; take backend = \"" + other + "\", which can run it";
    else if (is_of_manifest)
      refusal.message += "; " + other + ": " + candidate.error().message;
  }
  return refusal;
}

}  // namespace

Result<BackendChoice> ChooseBackend(const std::string& backend, const CompileRequest& request,
                                    const std::string& kept_in) {
  if (request.onnx.empty()) return Fail(Code::kInvalidArgument, request.where + ": is empty");
  if (backend == "auto") return ChooseOfAll(request, kept_in);
  PUNCTUAL_TRY(FindBackend(backend));
  auto candidate = Compiled(backend, request);
  if (candidate.has_error()) return RefusalOf(backend, candidate.error(), request);
  PUNCTUAL_TRY(CheckCodes(*candidate, request));
  return Choice(std::move(candidate).value(), "");
}

}  // namespace punctual
