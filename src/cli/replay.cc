// punctual replay: recorded order books to a server, at the pace they came in.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "load/address.h"
#include "load/console.h"
#include "load/feed.h"
#include "load/text_table.h"
#include "market/csv_reader.h"

namespace punctual {

namespace {

struct Flags {
  load::FeedOptions feed;
  std::vector<std::string> files, symbols;
  double duration_s = 0;
  std::string bad_lines = "fail";
};

// Several files as one source: always the book that is due next, each file's clock beginning with its first book.
class Recordings {
 public:
  static Result<Recordings> Open(const std::vector<std::string>& paths, const BookCsvOptions& options) {
    Recordings recordings;
    for (const std::string& path : paths) {
      PUNCTUAL_ASSIGN(BookCsvReader reader, BookCsvReader::Open(path, options));
      File& file = recordings.files_.emplace_back(File{.reader = std::move(reader)});
      PUNCTUAL_ASSIGN(file.ahead, file.reader.Next());
      if (!file.ahead) return Fail(Code::kInvalidArgument, path + ": has no books");
      file.first_ns = TimeOf(*file.ahead);
    }
    return recordings;
  }

  Result<std::optional<load::FeedBook>> Next() {
    File* next = nullptr;
    for (File& file : files_)
      if (file.ahead && (next == nullptr || file.At() < next->At())) next = &file;
    if (next == nullptr) return std::optional<load::FeedBook>();
    load::FeedBook book{
        .symbol = static_cast<std::size_t>(next - files_.data()), .at = next->At(), .book = *next->ahead};
    PUNCTUAL_ASSIGN(next->ahead, next->reader.Next());
    return std::optional(book);
  }

  std::uint64_t skipped_lines() const {
    std::uint64_t sum = 0;
    for (const File& file : files_) sum += file.reader.skipped_lines();
    return sum;
  }

 private:
  static std::int64_t TimeOf(const BookSnapshot& book) {
    return book.receive_time_ns != 0 ? book.receive_time_ns : book.exchange_time_ns;
  }
  struct File {
    BookCsvReader reader;
    std::optional<BookSnapshot> ahead;
    std::int64_t first_ns = 0;
    Duration At() const { return Duration(TimeOf(*ahead) - first_ns); }
  };
  std::vector<File> files_;
};

Result<load::FeedOptions> Understand(const Flags& flags) {
  load::FeedOptions feed = flags.feed;
  PUNCTUAL_TRY(load::ParseAddress(feed.to));
  feed.duration = Duration(static_cast<std::int64_t>(flags.duration_s * 1e9));
  feed.symbols = flags.symbols;
  if (feed.symbols.empty())
    for (const std::string& file : flags.files) feed.symbols.push_back(BookCsvSymbol(file));
  if (feed.symbols.size() != flags.files.size())
    return Fail(Code::kInvalidArgument, "--symbol: give one for each file, in their order, or none");
  return feed;
}

Result<void> Replay(const Flags& flags, const load::FeedOptions& feed) {
  const BookCsvOptions options{.skip_bad_lines = flags.bad_lines == "skip", .on_bad_line = [](const Error& error) {
                                 std::fprintf(stderr, "skipped: %s\n", error.message.c_str());
                               }};
  PUNCTUAL_ASSIGN(Recordings recordings, Recordings::Open(flags.files, options));
  load::ProgressLine line;
  PUNCTUAL_ASSIGN(const auto report, load::RunFeed(
                                         feed, [&] { return recordings.Next(); }, load::InterruptFlag(),
                                         [&](const load::FeedReport& so_far) { line.Show(load::FeedText(so_far)); }));
  std::string text = load::FeedText(report);
  if (const std::uint64_t skipped = recordings.skipped_lines(); skipped > 0)
    text += ", " + load::Grouped(skipped) + (skipped == 1 ? " bad line skipped" : " bad lines skipped");
  std::fprintf(stderr, "%s\n", text.c_str());
  return {};
}

int Failed(const Error& error, int exit_code) {
  std::fprintf(stderr, "punctual replay: %s\n", error.message.c_str());
  return exit_code;
}

int Run(const Flags& flags) {
  const auto feed = Understand(flags);
  if (feed.has_error()) return Failed(feed.error(), 2);
  const auto outcome = Replay(flags, *feed);
  return outcome.has_error() ? Failed(outcome.error(), 1) : 0;
}

}  // namespace

void AddReplayCommand(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("replay", "Publish recorded order books to a server at the pace they came in");
  const auto flags = std::make_shared<Flags>();
  command->add_option("FILE", flags->files, "order-book CSV files, plain or gzip, one a symbol")->required();
  command->add_option("--to", flags->feed.to, "server: http://HOST:PORT or unix:PATH")->capture_default_str();
  command->add_option("--symbol", flags->symbols,
                      "a file's symbol, one for each; default: its name in capitals, without extension");
  command->add_option("--speed", flags->feed.speed, "2: twice as quick as recorded")
      ->check(CLI::Range(0.001, 1e6))
      ->capture_default_str();
  command->add_option("--duration", flags->duration_s, "seconds; 0: to the end of the files")->capture_default_str();
  command
      ->add_option("--prefill", flags->feed.prefill,
                   "books of each symbol that are published at once, so that windows are full")
      ->capture_default_str();
  command->add_option("--bad-lines", flags->bad_lines, "skip: report and go on; fail: stop at the first")
      ->check(CLI::IsMember({"skip", "fail"}))
      ->capture_default_str();
  command->footer(
      "Example:\n"
      "  punctual replay btcusdt.csv.gz --to http://127.0.0.1:8080 --symbol BTCUSDT --prefill 200 --bad-lines skip");
  command->callback([flags, &exit_code] { exit_code = Run(*flags); });
}

}  // namespace punctual
