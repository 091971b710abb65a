// punctual simulate: order books from the market simulator, to a server or into a file.
#include "market/simulator.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "cli/commands.h"
#include "load/console.h"
#include "load/feed.h"
#include "load/text_table.h"
#include "market/book_csv_writer.h"

namespace punctual {

namespace {

struct Flags {
  SimulatorOptions simulator{.seed = 7, .symbols = 8, .levels = 10, .books_per_second = 20};
  load::FeedOptions feed;
  double duration_s = 0;
  std::string output;
};

int Failed(const Error& error) {
  std::fprintf(stderr, "punctual simulate: %s\n", error.message.c_str());
  return error.code == Code::kInvalidArgument ? 2 : 1;
}

Result<void> Publish(const Flags& flags) {
  SimulatorOptions options = flags.simulator;
  options.start_time_ns = UnixTimeNs();  // a live feed's books are from now
  PUNCTUAL_ASSIGN(Simulator simulator, Simulator::Make(options));
  load::FeedOptions feed = flags.feed;
  feed.symbols = simulator.symbols();
  feed.duration = Duration(static_cast<std::int64_t>(flags.duration_s * 1e9));
  std::map<std::string_view, std::size_t> index;
  for (std::size_t i = 0; i < feed.symbols.size(); ++i) index[simulator.symbols()[i]] = i;
  const auto next = [&]() -> Result<std::optional<load::FeedBook>> {
    const SimulatedUpdate update = simulator.Next();
    return std::optional(load::FeedBook{.symbol = index[update.symbol],
                                        .at = Duration(update.book.receive_time_ns - options.start_time_ns),
                                        .book = update.book});
  };
  load::ProgressLine line;
  PUNCTUAL_ASSIGN(const auto report,
                  load::RunFeed(feed, next, load::InterruptFlag(),
                                [&](const load::FeedReport& so_far) { line.Show(load::FeedText(so_far)); }));
  std::fprintf(stderr, "%s\n", load::FeedText(report).c_str());
  return {};
}

Result<void> Write(const Flags& flags) {
  if (flags.simulator.symbols != 1)
    return Fail(Code::kInvalidArgument, "--output: a file holds one symbol's books; add --symbols 1");
  if (!(flags.duration_s > 0)) return Fail(Code::kInvalidArgument, "--duration: must be above 0 with --output");
  PUNCTUAL_ASSIGN(Simulator simulator, Simulator::Make(flags.simulator));
  PUNCTUAL_ASSIGN(BookCsvWriter writer, BookCsvWriter::Open(flags.output, flags.simulator.levels));
  const std::int64_t end = flags.simulator.start_time_ns + static_cast<std::int64_t>(flags.duration_s * 1e9);
  const std::atomic<bool>& stop = load::InterruptFlag();
  std::uint64_t count = 0;
  for (SimulatedUpdate update = simulator.Next(); update.book.receive_time_ns < end && !stop;
       update = simulator.Next()) {
    PUNCTUAL_TRY(writer.Write(update.book));
    ++count;
  }
  PUNCTUAL_TRY(writer.Close());
  std::fprintf(stderr, "%s %s written to %s\n", load::Grouped(count).c_str(), count == 1 ? "book" : "books",
               flags.output.c_str());
  return {};
}

int Run(const Flags& flags) {
  const auto outcome = flags.output.empty() ? Publish(flags) : Write(flags);
  return outcome.has_error() ? Failed(outcome.error()) : 0;
}

}  // namespace

void AddSimulateCommand(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("simulate", "Make up order books and publish them to a server, or write them down");
  const auto flags = std::make_shared<Flags>();
  command->add_option("--symbols", flags->simulator.symbols, "how many; they are called SIM1, SIM2, ...")
      ->capture_default_str();
  command->add_option("--prefix", flags->simulator.prefix, "what their names begin with, for a second feed beside")
      ->capture_default_str();
  command->add_option("--rate", flags->simulator.books_per_second, "books a second of each symbol")
      ->capture_default_str();
  command->add_option("--levels", flags->simulator.levels, "levels of a book")->capture_default_str();
  command->add_option("--seed", flags->simulator.seed, "same seed, same books")->capture_default_str();
  command->add_option("--duration", flags->duration_s, "seconds; 0: until it is stopped")->capture_default_str();
  auto* to =
      command->add_option("--to", flags->feed.to, "server: http://HOST:PORT or unix:PATH")->capture_default_str();
  auto* prefill = command
                      ->add_option("--prefill", flags->feed.prefill,
                                   "books of each symbol that are published at once, so that windows are full")
                      ->capture_default_str();
  command
      ->add_option("--output", flags->output,
                   "writes one symbol's books to this CSV file instead (gzip if it ends in .gz)")
      ->excludes(to)
      ->excludes(prefill);
  command->footer(
      "Examples:\n"
      "  punctual simulate --symbols 8 --rate 20 --prefill 200 --to http://127.0.0.1:8080\n"
      "  punctual simulate --symbols 1 --rate 10 --duration 600 --output books.csv.gz");
  command->callback([flags, &exit_code] { exit_code = Run(*flags); });
}

}  // namespace punctual
