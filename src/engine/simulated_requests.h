// Asks real requests of simulated services, and judges each answer at the moment when it is given: once, in time, and
// by the highest rung that had one. What is wrong is collected, since answers come on any strand.
#pragma once

#include <atomic>
#include <deque>
#include <string>
#include <vector>

#include "engine/simulated_services.h"

namespace punctual {

struct Asked {
  std::shared_ptr<Request> request;
  Question question;
  const Tier* tier = nullptr;
  TimePoint answer_by, deadline;
  TimePoint surely_in_time;  // before it, there is time left for the model, or to wait for it
  bool was_cached = false;   // when it was asked
  std::shared_ptr<std::atomic<bool>> left = std::make_shared<std::atomic<bool>>(false);
  int answers = 0;
  std::optional<Source> source = {};  // of the answer; none: there was none to give
  bool answered_by_model = false;     // by the model itself, whoever computed it
};

class SimulatedRequests {
 public:
  // What replying costs.
  static constexpr Duration kReserve = std::chrono::microseconds(200);

  SimulatedRequests(SimulatedServices& services, const KeyMaker& keys) : services_(services), keys_(keys) {}

  // About a book of one level whose sizes make the feature `x`, from -1 to 1: equal ones have the same key.
  Question QuestionAbout(std::shared_ptr<const ServedModel> model, std::shared_ptr<const ServedModel> student,
                         const std::string& symbol, double x) const;
  // Asks now, on a strand.
  Asked& Ask(const Question& question, const Tier& tier, Duration budget);
  // Makes an answer about an older book, which `stale` may give.
  void RememberOlder(const Question& question);

  std::deque<Asked>& all() { return all_; }
  const std::deque<Asked>& all() const { return all_; }
  // What nobody computes, somebody waits for: checked when nothing is between two steps.
  void CheckWaiting();
  // At the end: everyone was answered, nobody computes, and no flight is left.
  void CheckEnd();
  // Answers that came after answer-by, because the timer's thread was busy with a student.
  std::size_t held_up() const { return held_up_; }
  // How late such may be. Zero: not at all.
  Duration may_be_held_up{};

  const std::vector<std::string>& faults() const { return faults_; }

 private:
  void OnAnswer(Asked& asked, const Result<Prediction>& answer);
  void CheckTime(const Asked& asked);
  void CheckOutputs(const Asked& asked, const Prediction& answer);
  // An answer that is not the model's, or none: was there a better one?
  void CheckNothingSkipped(const Asked& asked);
  bool IsCached(const Question& question) const;
  void Fault(const Asked& asked, const std::string& what);

  SimulatedServices& services_;
  const KeyMaker& keys_;
  std::deque<Asked> all_;  // in the order of asking; they stay where they are
  std::size_t held_up_ = 0;
  std::size_t failures_seen_ = 0;  // that explained an answer
  std::vector<std::string> faults_;
};

}  // namespace punctual
