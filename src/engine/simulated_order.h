// One order of what may happen to two real requests that ask the same, chosen step by step. Time stands still between
// events and moves to the next moment that matters, so that there are finitely many orders.
#pragma once

#include <string>
#include <vector>

#include "engine/simulated_requests.h"

namespace punctual {

inline constexpr Duration kShortBudget = std::chrono::milliseconds(10), kLongBudget = std::chrono::milliseconds(16);

// What may happen, besides that the second one asks, that a worker begins and returns, and that time passes.
struct Scenario {
  std::string name;
  const char* ladder = "\"l1\", \"coalesced\", \"model\", \"stale\", \"signal\"";
  Duration first = kLongBudget, second = kLongBudget;  // budgets
  std::size_t first_tier = 2, second_tier = 2;
  bool student = false, stale = false, signal = false;  // are there
  bool shadow = false;                                  // all that the model answers is asked of the student too
  bool runs_inline = false;
  bool fails = false, not_finite = false, student_fails = false;
  bool hangs = false;      // is found to, at any moment of a run
  bool refused = false;    // any submission, as too late or for want of room
  bool displaced = false;  // any job that waits
  bool leaves = false;     // either asker
  int in_calls = 0;        // so many events come in the middle of a request's own calls
};

// A tree of choices, walked depth first: each path takes the same as the one before it up to a point, and the next
// choice there.
class Choices {
 public:
  std::size_t Choose(std::size_t of) {
    if (at_ == taken_.size()) taken_.push_back({0, of});
    return taken_[at_++].choice;
  }
  // To the next path. False: that was the last one.
  bool Next() {
    at_ = 0;
    while (!taken_.empty() && ++taken_.back().choice == taken_.back().of) taken_.pop_back();
    return !taken_.empty();
  }

 private:
  struct Choice {
    std::size_t choice, of;
  };
  std::vector<Choice> taken_;
  std::size_t at_ = 0;
};

struct Models {
  std::shared_ptr<const ServedModel> model, student;
};
Models LoadModels(const Scenario& scenario);

class SimulatedOrder {
 public:
  // `number`: of this order among all, so that the shared cache and the threads know nothing about its numbers. All of
  // these outlive it.
  SimulatedOrder(SimulatedBasics& basics, const Scenario& scenario, const Models& models, Choices& choices,
                 std::int64_t number);

  void Run();

  // What happened.
  const std::string& path() const { return path_; }
  // Who answered the first, and who the second: "model coalesced".
  std::string End() const;
  const std::vector<std::string>& faults() const { return requests_.faults(); }
  // The models know nothing of it.
  bool left_no_mark() const {
    return services_.failures() + services_.student_failures() == 0 && !services_.pool.has_marked_the_model();
  }

 private:
  struct Move {
    const char* name;
    std::function<void()> act;
  };

  void Ask();
  std::optional<Admission> Refuse();
  // All that may happen next.
  std::vector<Move> Moves();
  void AddMovesOf(Paused& paused, std::vector<Move>& moves);
  bool Computes() const;
  // The next one that matters. What is due now comes first; a call may return at the next moment, not after it.
  std::optional<TimePoint> NextMoment();

  SimulatedBasics& basics_;
  const Scenario& scenario_;
  Choices& choices_;
  SimulatedServices services_;
  SimulatedRequests requests_;
  Question question_;
  std::string path_ = "the first asks";
  int in_calls_ = 0;  // events that came while a call was under way
};

}  // namespace punctual
