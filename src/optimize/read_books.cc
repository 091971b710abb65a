#include "optimize/read_books.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "market/csv_reader.h"
#include "market/market.h"

namespace punctual::optimize {
namespace {

constexpr std::size_t kBooksBetweenReports = 1 << 14;

// One file, its books taken one after the other into a window as the server keeps it.
class Recording {
 public:
  static Result<Recording> Open(const std::string& path, const FeaturePlan& plan) {
    PUNCTUAL_ASSIGN(BookCsvReader reader, BookCsvReader::Open(path));
    if (reader.levels() < plan.levels())
      return Fail(Code::kInvalidArgument, path + ": has " + std::to_string(reader.levels()) +
                                              " levels; the model's features use " + std::to_string(plan.levels()));
    Recording recording(path, std::move(reader), plan.history());
    PUNCTUAL_TRY(recording.Advance());
    return recording;
  }

  // The next book, not taken yet; false at the end.
  bool has_next() const { return next_.has_value(); }
  std::int64_t next_time_ns() const { return next_time_ns_; }
  std::uint64_t taken() const { return taken_; }
  Result<void> Take() {
    PUNCTUAL_TRY(state_->Append(*next_, TimePoint{}));
    line_ = next_->sequence + 1;  // behind the header
    ++taken_;
    return Advance();
  }
  // Of the book that was taken last.
  Result<void> Compute(const FeaturePlan& plan, std::span<float> out) const {
    const auto computed = plan.Compute(state_->Take(), out);
    if (computed.has_value()) return {};
    return Fail(computed.error().code, path_ + ":" + std::to_string(line_) + ": " + computed.error().message);
  }

 private:
  Recording(std::string path, BookCsvReader reader, std::size_t history)
      : path_(std::move(path)), reader_(std::move(reader)), state_(std::make_unique<SymbolState>(history)) {}

  Result<void> Advance() {
    PUNCTUAL_ASSIGN(next_, reader_.Next());
    if (!next_) return {};
    const std::int64_t known = next_->receive_time_ns != 0 ? next_->receive_time_ns : next_->exchange_time_ns;
    // Files may leave times out, some or all; they count on then.
    next_time_ns_ = known != 0 ? std::max(known, next_time_ns_) : next_time_ns_ + 1;
    return {};
  }

  std::string path_;
  BookCsvReader reader_;
  std::unique_ptr<SymbolState> state_;
  std::optional<BookSnapshot> next_;
  std::int64_t next_time_ns_ = -1;
  std::uint64_t taken_ = 0, line_ = 0;
};

class Progress {
 public:
  explicit Progress(const ReadBooksOptions& options) : options_(options) {}
  void set_total(std::size_t books) { of_ = books; }
  void Count() {
    if (++books_ % kBooksBetweenReports == 0) Report();
  }
  void Report() const {
    if (options_.progress) options_.progress(books_, of_);
  }

 private:
  const ReadBooksOptions& options_;
  std::size_t books_ = 0, of_ = 0;
};

Result<std::size_t> CountBooks(const std::string& path, Progress& progress) {
  PUNCTUAL_ASSIGN(BookCsvReader reader, BookCsvReader::Open(path));
  for (std::size_t books = 0;; ++books) {
    PUNCTUAL_ASSIGN(const auto book, reader.Next());
    if (!book) return books;
    progress.Count();
  }
}

// Of a file's samples, which are kept: `kept` of `all`, every so many.
struct Thinning {
  std::uint64_t all = 0, kept = 0;
  bool Keeps(std::uint64_t i) const { return (i + 1) * kept / all > i * kept / all; }
};

Result<Samples> Prepare(const std::vector<std::string>& files, const FeaturePlan& plan, const TensorSpec& input) {
  if (files.empty()) return Fail(Code::kInvalidArgument, "books: there is no file to read");
  const auto elements = ElementCount(input.shape);
  if (input.dtype != DType::kFloat32 || elements.has_error() ||
      *elements != static_cast<std::size_t>(plan.window()) * plan.columns())
    return Fail(Code::kInvalidArgument, "input \"" + input.name + "\": is " + std::string(DTypeName(input.dtype)) +
                                            " " + ShapeText(input.shape) + "; the features make FP32 [" +
                                            std::to_string(plan.window()) + "," + std::to_string(plan.columns()) + "]");
  Samples samples;
  samples.inputs = {input};
  samples.values.resize(1);
  for (const std::string& file : files) {
    const std::string symbol = BookCsvSymbol(file);
    if (std::find(samples.symbols.begin(), samples.symbols.end(), symbol) != samples.symbols.end())
      return Fail(Code::kInvalidArgument,
                  file + ": its name says " + symbol + ", as another file's does; a symbol's books come from one file");
    samples.symbols.push_back(symbol);
  }
  return samples;
}

Result<std::vector<Thinning>> Thin(const std::vector<std::string>& files, const std::vector<std::size_t>& books,
                                   const FeaturePlan& plan, std::size_t most) {
  std::vector<Thinning> thinnings;
  std::size_t all = 0;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (books[i] < plan.history())
      return Fail(Code::kFailedPrecondition, files[i] + ": has " + std::to_string(books[i]) +
                                                 " books, the first sample takes " + std::to_string(plan.history()) +
                                                 "; record more, or leave the file out");
    const std::size_t samples = books[i] - plan.history() + 1;
    thinnings.push_back({.all = samples, .kept = samples});
    all += samples;
  }
  if (all <= most) return thinnings;
  for (std::size_t i = 0; i < files.size(); ++i) {
    thinnings[i].kept = thinnings[i].all * most / all;
    if (thinnings[i].kept == 0)
      return Fail(Code::kFailedPrecondition, files[i] + ": none of its " + std::to_string(thinnings[i].all) +
                                                 " samples would be among the " + std::to_string(most) + " of " +
                                                 std::to_string(all) + "; allow more, or leave the file out");
  }
  return thinnings;
}

void Reserve(Samples& samples, std::size_t count, std::size_t bytes) {
  samples.values[0].reserve(count * bytes);
  samples.time_ns.reserve(count);
  samples.symbol.reserve(count);
  samples.snapshot.reserve(count);
}

// The samples of all recordings, merged by time.
Result<void> Fill(std::vector<Recording>& recordings, const std::vector<Thinning>& thinnings, const FeaturePlan& plan,
                  Progress& progress, Samples& samples) {
  std::vector<float> row(static_cast<std::size_t>(plan.window()) * plan.columns());
  for (;;) {
    Recording* next = nullptr;
    for (Recording& recording : recordings)
      if (recording.has_next() && (next == nullptr || recording.next_time_ns() < next->next_time_ns()))
        next = &recording;
    if (next == nullptr) return {};
    const auto symbol = static_cast<std::size_t>(next - recordings.data());
    const std::int64_t time_ns = next->next_time_ns();
    PUNCTUAL_TRY(next->Take());
    progress.Count();
    if (next->taken() < plan.history()) continue;
    const std::uint64_t place = next->taken() - plan.history();
    // A file that grew since its books were counted ends where it did then.
    if (place >= thinnings[symbol].all || !thinnings[symbol].Keeps(place)) continue;
    PUNCTUAL_TRY(next->Compute(plan, row));
    const auto bytes = std::as_bytes(std::span(row));
    samples.values[0].insert(samples.values[0].end(), bytes.begin(), bytes.end());
    samples.time_ns.push_back(time_ns);
    samples.symbol.push_back(static_cast<std::uint32_t>(symbol));
    samples.snapshot.push_back(next->taken() - 1);
  }
}

}  // namespace

Result<Samples> ReadBooks(const std::vector<std::string>& files, const FeaturePlan& plan, const TensorSpec& input,
                          const ReadBooksOptions& options) {
  PUNCTUAL_ASSIGN(Samples samples, Prepare(files, plan, input));
  std::vector<Recording> recordings;
  for (const std::string& file : files) {
    PUNCTUAL_ASSIGN(Recording recording, Recording::Open(file, plan));
    recordings.push_back(std::move(recording));
  }
  Progress progress(options);
  std::vector<std::size_t> books;
  std::size_t total = 0;
  for (const std::string& file : files) {
    PUNCTUAL_ASSIGN(const std::size_t count, CountBooks(file, progress));
    books.push_back(count);
    total += count;
  }
  progress.set_total(2 * total);
  const std::size_t bytes = static_cast<std::size_t>(plan.window()) * plan.columns() * sizeof(float);
  PUNCTUAL_ASSIGN(const auto thinnings, Thin(files, books, plan, std::min(options.most, options.most_bytes / bytes)));
  std::size_t kept = 0;
  for (const Thinning& thinning : thinnings) kept += thinning.kept;
  Reserve(samples, kept, bytes);
  PUNCTUAL_TRY(Fill(recordings, thinnings, plan, progress, samples));
  progress.Report();
  return samples;
}

}  // namespace punctual::optimize
