// Recorded order books in CSV: one line a book, oldest first.
//
//   local_ns,exch_ms,ask1_px,ask1_qty,bid1_px,bid1_qty,ask2_px,...
//
// local_ns: Unix time of arrival in ns; exch_ms: Unix time at the exchange in ms (0: not known for either); then, for
// each level from the best, price and size of the ask, price and size of the bid. The header says how many levels there
// are, 1 to kMaxBookLevels. Plain or gzip.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "market/line_reader.h"
#include "punctual/market.h"
#include "punctual/result.h"

namespace punctual {

// The header line of books of `levels` levels, without a line end.
std::string BookCsvHeader(int levels);
// Its levels. kInvalidArgument names the first column that is not what it should be.
Result<int> ParseBookCsvHeader(std::string_view line);
// A line of data, without its line end, as a book that passes Validate() and whose sequence is 0. kInvalidArgument
// names the column, or the level as Validate() does. REQUIRES: levels is 1 to kMaxBookLevels.
Result<BookSnapshot> ParseBookCsvLine(std::string_view line, int levels);

// The symbol that a file is about, by its name: "data/spot_btcusdt.csv.gz" is SPOT_BTCUSDT.
std::string BookCsvSymbol(const std::string& path);

struct BookCsvOptions {
  // What a bad line does: is counted, reported and left out; or ends the reading. Bad is a line that does not parse,
  // whose book is not valid, or one of whose times is before that of the book before it.
  bool skip_bad_lines = false;
  // Called for each line that is skipped, with its error ("FILE:LINE: what"). May be empty.
  std::function<void(const Error&)> on_bad_line;
};

// Not thread-safe; movable.
class BookCsvReader {
 public:
  // Reads the header. kNotFound: no such file; kInvalidArgument: not such a file.
  static Result<BookCsvReader> Open(const std::string& path, BookCsvOptions options = {});

  // The next book; nothing at the end of the file. Its sequence is the number of its line among the data lines, from 1,
  // so a skipped line leaves a gap. kInvalidArgument: a bad line ("FILE:LINE: what"), or damaged gzip data whatever the
  // options. After an error every call returns it again.
  Result<std::optional<BookSnapshot>> Next();

  int levels() const { return levels_; }
  std::uint64_t skipped_lines() const { return skipped_lines_; }

 private:
  BookCsvReader(LineReader lines, int levels, BookCsvOptions options);
  Result<BookSnapshot> Parse(const LineReader::Line& line) const;
  Result<std::optional<BookSnapshot>> ReadOn();

  LineReader lines_;
  int levels_;
  BookCsvOptions options_;
  std::uint64_t skipped_lines_ = 0;
  std::int64_t last_exchange_time_ns_ = 0;
  std::int64_t last_receive_time_ns_ = 0;
  std::optional<Error> failure_;
};

}  // namespace punctual
