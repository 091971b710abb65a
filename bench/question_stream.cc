// The stream of questions that users put about recorded books, as cache keys, in simulated time: the books come in as
// they did, users ask at random times (Poisson) about symbols drawn alike, each user one model. 16 bytes a question:
// the digest, its high half first, of the key that its answer is kept under; of a model whose manifest asks for exact
// semantic answers, the key of its codes.
//
// usage: question_stream REPOSITORY RATE SECONDS BOOKS.csv[.gz]...
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "cache/key.h"
#include "engine/question.h"
#include "load/schedule.h"
#include "market/csv_reader.h"
#include "market/market.h"
#include "model/repository.h"

namespace punctual {
namespace {

constexpr std::uint32_t kUsers = 1000;
constexpr std::size_t kHistory = 128;

struct Recording {
  std::string symbol;
  BookCsvReader reader;
  BookSnapshot ahead;
  std::int64_t first_ns = 0;
  bool ended = false;

  Duration at() const { return Duration(ahead.receive_time_ns - first_ns); }
};

Result<std::vector<Recording>> OpenAll(std::span<char*> paths) {
  std::vector<Recording> recordings;
  for (const char* path : paths) {
    PUNCTUAL_ASSIGN(BookCsvReader reader, BookCsvReader::Open(path));
    PUNCTUAL_ASSIGN(const auto first, reader.Next());
    if (!first) return Fail(Code::kInvalidArgument, std::string(path) + ": has no books");
    const std::string symbol = "R" + std::to_string(recordings.size());
    recordings.push_back({symbol, std::move(reader), *first, first->receive_time_ns});
  }
  return recordings;
}

// Publishes what is due; false: a recording is at its end.
Result<bool> PublishUntil(Duration now, std::vector<Recording>& recordings, Market& market) {
  for (Recording& recording : recordings)
    while (!recording.ended && recording.at() <= now) {
      PUNCTUAL_TRY(market.Publish(recording.symbol, recording.ahead));
      PUNCTUAL_ASSIGN(const auto next, recording.reader.Next());
      recording.ended = !next;
      if (next) recording.ahead = *next;
    }
  return std::none_of(recordings.begin(), recordings.end(), [](const Recording& r) { return r.ended; });
}

std::vector<std::uint32_t> Users() {
  std::vector<std::uint32_t> users(kUsers);
  std::iota(users.begin(), users.end(), 0);
  return users;
}

// The key of a model's question about a recording; remembered as long as the books are the same.
class Asked {
 public:
  Result<CacheKey> KeyNow(std::shared_ptr<const ServedModel> model, Window window, const KeyMaker& keys) {
    if (key_ && sequence_ == window.newest().book.sequence) return *key_;
    sequence_ = window.newest().book.sequence;
    key_ = keys.OfState(*model, window);
    if (model->input_codes() == nullptr) return *key_;
    const Question question{
        .about = Question::About::kState, .model = std::move(model), .window = std::move(window), .key = key_};
    PUNCTUAL_ASSIGN(key_, KeyOfCodes(question, KeyMaker::Codes::kExact, keys));
    return *key_;
  }

 private:
  std::uint64_t sequence_ = 0;
  std::optional<CacheKey> key_;
};

Result<void> Print(const std::string& path, double rate, Duration length, std::span<char*> books) {
  Repository repository(path, {.longest_window = kHistory});
  PUNCTUAL_TRY(repository.Reload());
  std::vector<std::shared_ptr<const ServedModel>> models;
  for (const auto& [name, entry] : *repository.Models()) {
    if (entry.served == nullptr) return Fail(Code::kInvalidArgument, name + ": " + entry.error);
    if (entry.served->features()) models.push_back(entry.served);
  }
  if (models.empty()) return Fail(Code::kInvalidArgument, path + ": has no model that computes features of books");
  PUNCTUAL_ASSIGN(std::vector<Recording> recordings, OpenAll(books));
  Market market({.history = kHistory}, Clock::Real());
  const KeyMaker keys("bench");
  load::Schedule schedule(rate, load::Arrivals::kPoisson, 0, Users(), load::ZipfSampler(recordings.size(), 0), 1);
  std::vector<Asked> asked(models.size() * recordings.size());
  for (;;) {
    const load::Arrival arrival = schedule.Next();
    if (arrival.due > length) return {};
    PUNCTUAL_ASSIGN(const bool goes_on, PublishUntil(arrival.due, recordings, market));
    if (!goes_on) return {};
    const std::size_t model = arrival.slot % models.size();
    const auto window = market.Take(recordings[arrival.symbol].symbol);
    if (window.has_error() || window->size() < models[model]->features()->history()) continue;
    PUNCTUAL_ASSIGN(const CacheKey key,
                    asked[model * recordings.size() + arrival.symbol].KeyNow(models[model], *window, keys));
    const std::uint64_t halves[] = {key.digest().high, key.digest().low};
    if (std::fwrite(halves, sizeof halves, 1, stdout) != 1)
      return Fail(Code::kInternal, "the standard output does not take more");
  }
}

}  // namespace
}  // namespace punctual

int main(int argc, char** argv) {
  const double rate = argc > 4 ? std::strtod(argv[2], nullptr) : 0;
  const double seconds = argc > 4 ? std::strtod(argv[3], nullptr) : 0;
  if (!(rate > 0 && seconds > 0)) {
    std::fprintf(stderr, "usage: question_stream REPOSITORY RATE SECONDS BOOKS.csv[.gz]...\n");
    return 2;
  }
  const punctual::Duration length(static_cast<std::int64_t>(seconds * 1e9));
  const auto printed = punctual::Print(argv[1], rate, length, std::span(argv + 4, static_cast<std::size_t>(argc - 4)));
  if (printed.has_value()) return 0;
  std::fprintf(stderr, "question_stream: %s\n", printed.error().message.c_str());
  return 1;
}
