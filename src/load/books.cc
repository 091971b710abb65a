#include "load/books.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "market/csv_reader.h"
#include "market/simulator.h"

namespace punctual::load {

Result<std::vector<BookSnapshot>> ReadBooks(const std::string& path, std::size_t count) {
  PUNCTUAL_ASSIGN(BookCsvReader reader, BookCsvReader::Open(path));
  std::vector<BookSnapshot> books;
  while (books.size() < count) {
    PUNCTUAL_ASSIGN(std::optional<BookSnapshot> book, reader.Next());
    if (!book) break;
    books.push_back(*book);
  }
  return books;
}

Result<std::vector<std::vector<BookSnapshot>>> SimulateBooks(std::size_t symbols, double rate, std::uint64_t seed,
                                                             std::size_t count) {
  PUNCTUAL_ASSIGN(Simulator simulator,
                  Simulator::Make({.seed = seed,
                                   .symbols = static_cast<int>(std::min<std::size_t>(symbols, 1'000'000)),
                                   .books_per_second = rate}));
  std::map<std::string_view, std::vector<BookSnapshot>> by_symbol;
  for (const std::string& symbol : simulator.symbols()) by_symbol[symbol].reserve(count);
  for (std::size_t full = 0; full < symbols;) {
    const SimulatedUpdate update = simulator.Next();
    std::vector<BookSnapshot>& books = by_symbol[update.symbol];
    if (books.size() == count) continue;
    books.push_back(update.book);
    if (books.size() == count) ++full;
  }
  std::vector<std::vector<BookSnapshot>> all;
  for (const std::string& symbol : simulator.symbols()) all.push_back(std::move(by_symbol[symbol]));
  return all;
}

}  // namespace punctual::load
