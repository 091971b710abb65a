#include "market/csv_reader.h"

#include <cctype>
#include <charconv>
#include <cstddef>
#include <filesystem>
#include <limits>

#include "base/text.h"

namespace punctual {
namespace {

constexpr int kTimeColumns = 2;
constexpr int kLevelColumns = 4;
constexpr std::int64_t kNsPerMs = 1'000'000;

std::string ColumnName(int column) {
  if (column == 0) return "local_ns";
  if (column == 1) return "exch_ms";
  constexpr const char* kSides[] = {"ask", "ask", "bid", "bid"};
  constexpr const char* kMembers[] = {"_px", "_qty", "_px", "_qty"};
  const int member = (column - kTimeColumns) % kLevelColumns;
  return kSides[member] + std::to_string((column - kTimeColumns) / kLevelColumns + 1) + kMembers[member];
}

// Takes the fields of a line one after the other.
class Fields {
 public:
  explicit Fields(std::string_view line) : rest_(line) {}

  std::string_view Take() {
    const std::size_t comma = rest_.find(',');
    const std::string_view field = rest_.substr(0, comma);
    at_end_ = comma == std::string_view::npos;
    rest_.remove_prefix(at_end_ ? rest_.size() : comma + 1);
    ++taken_;
    return field;
  }
  bool at_end() const { return at_end_; }
  int taken() const { return taken_; }

 private:
  std::string_view rest_;
  bool at_end_ = false;
  int taken_ = 0;
};

int CountColumns(std::string_view line) {
  Fields fields(line);
  while (!fields.at_end()) fields.Take();
  return fields.taken();
}

template <class T>
Result<T> ParseNumber(Fields& fields) {
  const int column = fields.taken();
  const std::string_view field = fields.Take();
  T value{};
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), value);
  if (error == std::errc() && end == field.data() + field.size()) return value;
  return Fail(Code::kInvalidArgument,
              ColumnName(column) + ": " + QuotedText(field) +
                  (error == std::errc::result_out_of_range ? " is out of range" : " is not a number"));
}

Result<std::int64_t> ParseTime(Fields& fields, std::int64_t unit_ns) {
  const int column = fields.taken();
  PUNCTUAL_ASSIGN(const auto value, ParseNumber<std::int64_t>(fields));
  if (value < 0 || value > std::numeric_limits<std::int64_t>::max() / unit_ns)
    return Fail(Code::kInvalidArgument, ColumnName(column) + ": " + std::to_string(value) + " is not a Unix time");
  return value * unit_ns;
}

Result<void> CheckOrder(const char* column, std::int64_t time_ns, std::int64_t last_ns, std::int64_t unit_ns) {
  if (time_ns == 0 || time_ns >= last_ns) return {};
  return Fail(Code::kInvalidArgument, std::string(column) + ": " + std::to_string(time_ns / unit_ns) +
                                          " is before the line before it, " + std::to_string(last_ns / unit_ns));
}

}  // namespace

std::string BookCsvHeader(int levels) {
  std::string header;
  for (int column = 0; column < kTimeColumns + kLevelColumns * levels; ++column)
    header += (column > 0 ? "," : "") + ColumnName(column);
  return header;
}

Result<int> ParseBookCsvHeader(std::string_view line) {
  const int columns = CountColumns(line);
  Fields fields(line);
  for (int column = 0; column < columns; ++column)
    if (const std::string_view field = fields.Take(); field != ColumnName(column))
      return Fail(Code::kInvalidArgument, "the header's column " + std::to_string(column + 1) + " must be " +
                                              ColumnName(column) + ", not " + QuotedText(field) +
                                              "; this is not an order-book file");
  const int levels = (columns - kTimeColumns) / kLevelColumns;
  if (levels < 1 || levels > kMaxBookLevels || columns != kTimeColumns + kLevelColumns * levels)
    return Fail(Code::kInvalidArgument, "the header has " + std::to_string(columns) +
                                            " columns; it takes 2 and then 4 for each of 1 to " +
                                            std::to_string(kMaxBookLevels) + " levels");
  return levels;
}

Result<BookSnapshot> ParseBookCsvLine(std::string_view line, int levels) {
  const int expected = kTimeColumns + kLevelColumns * levels;
  if (const int columns = CountColumns(line); columns != expected)
    return Fail(Code::kInvalidArgument,
                "there are " + std::to_string(columns) + " columns, the header has " + std::to_string(expected));
  Fields fields(line);
  BookSnapshot book;
  book.level_count = levels;
  PUNCTUAL_ASSIGN(book.receive_time_ns, ParseTime(fields, 1));
  PUNCTUAL_ASSIGN(book.exchange_time_ns, ParseTime(fields, kNsPerMs));
  for (std::size_t i = 0; i < static_cast<std::size_t>(levels); ++i) {
    BookLevel& level = book.levels[i];
    PUNCTUAL_ASSIGN(level.ask_price, ParseNumber<double>(fields));
    PUNCTUAL_ASSIGN(level.ask_size, ParseNumber<double>(fields));
    PUNCTUAL_ASSIGN(level.bid_price, ParseNumber<double>(fields));
    PUNCTUAL_ASSIGN(level.bid_size, ParseNumber<double>(fields));
  }
  PUNCTUAL_TRY(Validate(book));
  return book;
}

std::string BookCsvSymbol(const std::string& path) {
  std::string name = std::filesystem::path(path).filename().string();
  name = name.substr(0, name.find('.'));
  for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

BookCsvReader::BookCsvReader(LineReader lines, int levels, BookCsvOptions options)
    : lines_(std::move(lines)), levels_(levels), options_(std::move(options)) {}

Result<BookCsvReader> BookCsvReader::Open(const std::string& path, BookCsvOptions options) {
  PUNCTUAL_ASSIGN(auto lines, LineReader::Open(path));
  PUNCTUAL_ASSIGN(const auto header, lines.Next());
  if (!header) return Fail(Code::kInvalidArgument, path + ": is empty; the first line must be the header");
  const auto levels = ParseBookCsvHeader(header->text);
  if (levels.has_error())
    return Fail(levels.error().code,
                path + ":1: " + (header->too_long ? "the line is too long for a header" : levels.error().message));
  return BookCsvReader(std::move(lines), *levels, std::move(options));
}

Result<BookSnapshot> BookCsvReader::Parse(const LineReader::Line& line) const {
  if (line.too_long)
    return Fail(Code::kInvalidArgument,
                "the line is longer than " + std::to_string(LineReader::kMaxLineBytes) + " bytes");
  PUNCTUAL_ASSIGN(auto book, ParseBookCsvLine(line.text, levels_));
  PUNCTUAL_TRY(CheckOrder("local_ns", book.receive_time_ns, last_receive_time_ns_, 1));
  PUNCTUAL_TRY(CheckOrder("exch_ms", book.exchange_time_ns, last_exchange_time_ns_, kNsPerMs));
  book.sequence = lines_.line_number() - 1;
  return book;
}

Result<std::optional<BookSnapshot>> BookCsvReader::Next() {
  if (failure_) return *failure_;
  auto book = ReadOn();
  if (book.has_error()) failure_ = book.error();
  return book;
}

Result<std::optional<BookSnapshot>> BookCsvReader::ReadOn() {
  for (;;) {
    PUNCTUAL_ASSIGN(const auto line, lines_.Next());
    if (!line) return std::optional<BookSnapshot>();
    auto book = Parse(*line);
    if (book.has_value()) {
      if (book->receive_time_ns != 0) last_receive_time_ns_ = book->receive_time_ns;
      if (book->exchange_time_ns != 0) last_exchange_time_ns_ = book->exchange_time_ns;
      return std::optional<BookSnapshot>(*book);
    }
    const Error error = Fail(book.error().code,
                             lines_.path() + ":" + std::to_string(lines_.line_number()) + ": " + book.error().message);
    if (!options_.skip_bad_lines) return error;
    ++skipped_lines_;
    if (options_.on_bad_line) options_.on_bad_line(error);
  }
}

}  // namespace punctual
