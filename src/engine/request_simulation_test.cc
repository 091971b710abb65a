// Thousands of real requests on a fake clock: three tiers, several models and loads, questions that many ask at once,
// inferences that fail, take long or hang, askers that leave. Every seed is the same simulation each time.
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <queue>
#include <random>

#include "engine/simulated_requests.h"

namespace punctual {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr std::size_t kWorkers = 4, kSpare = 2, kAskers = 64;
constexpr Duration kMedian = microseconds(1400), kInlineTakes = microseconds(200), kStudentTakes = microseconds(80);
constexpr double kSigma = 0.3;  // of the log-normal time of an inference
constexpr std::size_t kRequests = 1500;
constexpr Duration kLookForHung = milliseconds(20);

struct World {
  double load = 1;  // of what the workers can do
  bool troubled = false;
  std::uint64_t seed = 1;
};

// For people, in the failure's message.
void PrintTo(const World& world, std::ostream* out) {
  *out << "load " << world.load << (world.troubled ? ", troubled" : "") << ", seed " << world.seed;
}

class Simulation {
 public:
  explicit Simulation(const World& world)
      : world_(world),
        random_(world.seed),
        services_(basics_, {kWorkers, kSpare, {6, 3, 1}, milliseconds(60)}, false),
        requests_(services_, basics_.cache->keys()) {
    // One thread calls all whose time has come, and their students run there. They end by the deadline all the same.
    requests_.may_be_held_up = SimulatedRequests::kReserve;
    const auto load = [](const char* name, const char* ladder, bool has_student, bool has_signal, Duration takes) {
      return LoadSimulatedModel({name, ladder, has_student, has_signal, takes, kWorkers + kSpare, kAskers});
    };
    student_ = LoadSimulatedStudent(kStudentTakes, kAskers);
    const char* all = "\"l1\", \"coalesced\", \"model\", \"stale\", \"signal\"";
    models_ = {load("all", all, true, true, kMedian), load("no-student", all, false, true, kMedian),
               load("alone", "\"model\"", false, false, kMedian),
               load("unshared", "\"l1\", \"model\", \"stale\"", false, false, kMedian),
               load("quick", all, false, false, kInlineTakes)};
  }

  void Run() {
    const double mean_ns = static_cast<double>(kMedian.count()) * std::exp(kSigma * kSigma / 2);
    // About a third of what is asked needs no run of its own, and a fifth none on a worker.
    std::exponential_distribution<double> gap(world_.load * kWorkers / mean_ns / 0.55);
    TimePoint arrival = services_.clock.Now(), look = arrival;
    for (;;) {
      Settle();
      std::optional<TimePoint> next;
      const auto consider = [&](TimePoint when) {
        if (!next || when < *next) next = when;
      };
      if (asked_ < kRequests) consider(arrival);
      for (const Paused* paused : services_.paused()) consider(paused->until);
      if (const auto due = services_.timer.next(); due && !timer_is_held_up_) consider(*due);
      if (!next) break;
      consider(look);
      services_.clock.Advance(std::max(Duration::zero(), *next - services_.clock.Now()));
      const TimePoint now = services_.clock.Now();
      if (look <= now) {
        services_.pool.CheckHung();
        look += kLookForHung;
      }
      if (asked_ < kRequests && arrival <= now) {
        AskSomething();
        arrival += Duration(1 + static_cast<std::int64_t>(gap(random_)));
      }
    }
    requests_.CheckEnd();
  }

  const std::vector<std::string>& faults() const { return requests_.faults(); }
  std::size_t held_up() const { return requests_.held_up(); }
  // The share of the answers that are the model's own.
  double ByModel() const {
    int count = 0;
    for (const Asked& asked : requests_.all()) count += asked.answered_by_model;
    return static_cast<double>(count) / static_cast<double>(kRequests);
  }
  // How many of the answers came from where; those of none as "none".
  std::map<std::string, int> Sources() const {
    std::map<std::string, int> sources;
    for (const Asked& asked : requests_.all())
      ++sources[asked.source ? std::string(SourceName(*asked.source)) : "none"];
    return sources;
  }

 private:
  // All that is due now, until nothing is.
  void Settle() {
    for (;;) {
      const TimePoint now = services_.clock.Now();
      Paused* ends = nullptr;
      for (Paused* paused : services_.paused()) {
        if (paused->until == TimePoint()) Decide(*paused);
        if (paused->until <= now && ends == nullptr) ends = paused;
      }
      timer_is_held_up_ = false;
      if (services_.timer.due() > 0) {
        services_.timer.Call();
      } else if (ends != nullptr) {
        services_.Resume(*ends);
      } else if (services_.pool.CanBegin()) {
        services_.pool.Begin();
      } else {
        // Its thread is busy: it calls the next ones when the student is through.
        const auto next = services_.timer.next();
        timer_is_held_up_ = next && *next <= now;
        return;
      }
    }
  }

  // How long an inference takes and what it comes to.
  void Decide(Paused& paused) {
    const TimePoint now = services_.clock.Now();
    if (!paused.worker) {
      // What runs on an asker's thread or on the timer's takes no longer than it should.
      paused.until = now + (paused.where == Paused::Where::kStudent ? kStudentTakes : kInlineTakes);
      if (paused.where == Paused::Where::kModel && world_.troubled && Chance(0.02)) paused.end = InferenceEnd::kFails;
      return;
    }
    if (paused.where == Paused::Where::kStudent) {
      paused.until = now + kStudentTakes;
      return;
    }
    const double typical = static_cast<double>(kMedian.count());
    double takes = std::lognormal_distribution<double>(std::log(typical), kSigma)(random_);
    if (world_.troubled) {
      if (Chance(0.01)) takes *= 40;   // far over what it should
      if (Chance(0.002)) takes = 4e8;  // hangs
      if (Chance(0.03)) paused.end = Chance(0.5) ? InferenceEnd::kFails : InferenceEnd::kNotFinite;
    }
    paused.until = now + Duration(static_cast<std::int64_t>(takes));
  }

  void AskSomething() {
    ++asked_;
    const std::size_t tier = static_cast<std::size_t>(std::discrete_distribution<int>({1, 3, 6})(random_));
    const auto& model = models_[random_() % models_.size()];
    // Of some symbols everybody wants to know, and the books change now and then; of others one asks alone.
    const bool is_hot = Chance(0.5);
    const std::uint64_t symbol = is_hot ? random_() % 5 : 5 + asked_;
    const auto epoch = static_cast<std::uint64_t>((services_.clock.Now().time_since_epoch()) / milliseconds(7));
    std::mt19937_64 numbers(symbol * 1'000'003 + epoch * 31);
    const double x = std::uniform_real_distribution<double>(-0.9, 0.9)(numbers);
    const std::string name = symbol == 0 ? kSignalSymbol : "S" + std::to_string(symbol);
    const Question question =
        requests_.QuestionAbout(model, model->manifest().student.empty() ? nullptr : student_, name, x);
    Duration budget = basics_.tiers[tier].budget;
    if (Chance(0.1)) budget = budget / 4;
    requests_.Ask(question, basics_.tiers[tier], budget);
    // Somebody who asked before goes away.
    if (world_.troubled && Chance(0.1)) requests_.all()[random_() % requests_.all().size()].left->store(true);
  }

  bool Chance(double share) { return std::uniform_real_distribution<double>()(random_) < share; }

  SimulatedBasics basics_;
  const World world_;
  std::mt19937_64 random_;
  SimulatedServices services_;
  SimulatedRequests requests_;
  std::vector<std::shared_ptr<const ServedModel>> models_;
  std::shared_ptr<const ServedModel> student_;
  std::size_t asked_ = 0;
  bool timer_is_held_up_ = false;
};

class RequestSimulationTest : public ::testing::TestWithParam<World> {};

TEST_P(RequestSimulationTest, EveryRequestIsAnsweredOnceInTimeByTheHighestRungThatHasAnAnswer) {
  const World world = GetParam();
  auto made = std::make_unique<Simulation>(world);
  Simulation& simulation = *made;
  simulation.Run();
  std::map<std::string, int> sources = simulation.Sources();
  std::string table;
  for (const auto& [source, count] : sources) table += " " + source + " " + std::to_string(count);
  RecordProperty("sources", table);
  SCOPED_TRACE(::testing::PrintToString(world) + ":" + table);
  for (const std::string& fault : simulation.faults()) ADD_FAILURE() << fault;
  // One that went wrong is left as it is: what was not ended would end in the middle of its taking down.
  if (!simulation.faults().empty()) static_cast<void>(made.release());
  // Few have to wait for the timer's thread.
  EXPECT_LE(simulation.held_up(), kRequests / 100);
  // The simulation is about something: it has the answers that such a load must have.
  for (const char* source : {"l1", "coalesced", "model"}) EXPECT_GT(sources[source], 10) << source;
  if (world.load < 1 && !world.troubled) {
    EXPECT_GT(simulation.ByModel(), 0.97);
  }
  if (world.load > 1 || world.troubled) {
    for (const char* source : {"student", "stale", "none"}) EXPECT_GT(sources[source], 10) << source;
  }
}

std::vector<World> Worlds() {
  std::vector<World> worlds;
  for (const double load : {0.5, 1.0, 2.0, 5.0})
    for (const bool troubled : {false, true})
      for (const std::uint64_t seed : {1, 2, 3}) worlds.push_back({load, troubled, seed});
  return worlds;
}

INSTANTIATE_TEST_SUITE_P(Worlds, RequestSimulationTest, ::testing::ValuesIn(Worlds()));

TEST(RequestSimulationSeedTest, TheSameSeedIsTheSameSimulation) {
  const World world{2, true, 4};
  std::map<std::string, int> before;
  for (int i = 0; i < 2; ++i) {
    Simulation simulation(world);
    simulation.Run();
    if (i > 0) {
      EXPECT_EQ(simulation.Sources(), before);
    }
    before = simulation.Sources();
  }
}

}  // namespace
}  // namespace punctual
