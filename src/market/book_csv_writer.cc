#include "market/book_csv_writer.h"

#include <zlib.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>

#include "market/csv_reader.h"

namespace punctual {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::size_t kMaxNumber = 26;  // the longest double or int64, and a separator

class LineBuffer {
 public:
  template <class T>
  void Add(T number, char separator) {
    end_ = std::to_chars(end_, text_.data() + text_.size(), number).ptr;
    *end_++ = separator;
  }
  const char* data() const { return text_.data(); }
  std::size_t size() const { return static_cast<std::size_t>(end_ - text_.data()); }

 private:
  std::array<char, (2 + 4 * kMaxBookLevels) * kMaxNumber> text_;
  char* end_ = text_.data();
};

}  // namespace

void BookCsvWriter::Closer::operator()(gzFile_s* file) const { gzclose_w(file); }

BookCsvWriter::BookCsvWriter(std::string path, gzFile_s* file, int levels)
    : path_(std::move(path)), file_(file), levels_(levels) {}

Result<BookCsvWriter> BookCsvWriter::Open(const std::string& path, int levels) {
  if (levels < 1 || levels > kMaxBookLevels)
    return Fail(Code::kInvalidArgument, "levels: must be 1 to " + std::to_string(kMaxBookLevels));
  errno = 0;
  // T: as it is, without compressing.
  gzFile_s* const file = gzopen(path.c_str(), path.ends_with(".gz") ? "wb" : "wbT");
  if (file == nullptr) return Fail(Code::kInternal, path + ": cannot be written: " + std::strerror(errno));
  BookCsvWriter writer(path, file, levels);
  const std::string header = BookCsvHeader(levels) + "\n";
  PUNCTUAL_TRY(writer.Put(header.data(), header.size()));
  return writer;
}

Result<void> BookCsvWriter::Put(const char* text, std::size_t size) {
  if (gzwrite(file_.get(), text, static_cast<unsigned>(size)) == static_cast<int>(size)) return {};
  return Fail(Code::kInternal, path_ + ": cannot be written: " + std::strerror(errno));
}

Result<void> BookCsvWriter::Write(const BookSnapshot& book) {
  PUNCTUAL_TRY(Validate(book));
  if (book.level_count < levels_)
    return Fail(Code::kInvalidArgument, "levels: the file has " + std::to_string(levels_) + ", the book only " +
                                            std::to_string(book.level_count));
  LineBuffer line;
  line.Add(book.receive_time_ns, ',');
  line.Add(book.exchange_time_ns / kNsPerMs, ',');
  for (std::size_t i = 0; i < static_cast<std::size_t>(levels_); ++i) {
    const BookLevel& level = book.levels[i];
    line.Add(level.ask_price, ',');
    line.Add(level.ask_size, ',');
    line.Add(level.bid_price, ',');
    line.Add(level.bid_size, i + 1 < static_cast<std::size_t>(levels_) ? ',' : '\n');
  }
  return Put(line.data(), line.size());
}

Result<void> BookCsvWriter::Close() {
  if (gzclose_w(file_.release()) == Z_OK) return {};
  return Fail(Code::kInternal, path_ + ": cannot be written: " + std::strerror(errno));
}

}  // namespace punctual
