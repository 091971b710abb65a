#include "market/line_reader.h"

#include <zlib.h>

#include <cerrno>
#include <cstring>

namespace punctual {
namespace {

constexpr std::size_t kBufferBytes = 8 * LineReader::kMaxLineBytes;

}  // namespace

void LineReader::Closer::operator()(gzFile_s* file) const { gzclose_r(file); }

LineReader::LineReader(std::string path, gzFile_s* file) : path_(std::move(path)), file_(file), buffer_(kBufferBytes) {}

Result<LineReader> LineReader::Open(const std::string& path) {
  errno = 0;
  gzFile_s* const file = gzopen(path.c_str(), "rb");
  if (file == nullptr) {
    const int why = errno;
    const Code code = why == ENOENT ? Code::kNotFound : why == EACCES ? Code::kPermissionDenied : Code::kInternal;
    return Fail(code, path + ": cannot be opened: " + std::strerror(why));
  }
  return LineReader(path, file);
}

// Reads on behind what is unread, which it moves to the front.
Result<void> LineReader::Fill() {
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  const int count = gzread(file_.get(), buffer_.data() + end_, static_cast<unsigned>(buffer_.size() - end_));
  // A file that was cut short still gives its last bytes, so the error is looked for in any case.
  int status = Z_OK;
  const char* const text = gzerror(file_.get(), &status);
  if (status == Z_ERRNO) return Fail(Code::kInternal, path_ + ": cannot be read: " + std::strerror(errno));
  if (status != Z_OK || count < 0)
    return Fail(Code::kInvalidArgument,
                path_ + (status == Z_BUF_ERROR ? ": the gzip data is cut short" : ": the gzip data is damaged") +
                    " after line " + std::to_string(line_number_) + " (" + text + ")");
  at_end_ = count == 0;
  end_ += static_cast<std::size_t>(count);
  return {};
}

Result<std::optional<LineReader::Line>> LineReader::Next() {
  bool too_long = false;
  std::size_t searched = 0;  // of the unread part
  for (;;) {
    const char* const begin = buffer_.data() + begin_;
    const std::size_t unread = end_ - begin_;
    const void* const found = std::memchr(begin + searched, '\n', unread - searched);
    if (found != nullptr || at_end_) {
      if (found == nullptr && unread == 0 && !too_long) return std::optional<Line>();
      std::string_view text(begin, found ? static_cast<std::size_t>(static_cast<const char*>(found) - begin) : unread);
      begin_ += text.size() + (found ? 1 : 0);
      ++line_number_;
      if (text.ends_with('\r')) text.remove_suffix(1);
      too_long |= text.size() > kMaxLineBytes;
      return std::optional<Line>(Line{.text = too_long ? std::string_view() : text, .too_long = too_long});
    }
    searched = unread;
    if (unread > kMaxLineBytes) {
      too_long = true;
      begin_ = end_;
      searched = 0;
    }
    PUNCTUAL_TRY(Fill());
  }
}

}  // namespace punctual
