// The lines of a text file, plain or gzip, without holding more of it than a buffer. Not thread-safe; movable.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "punctual/result.h"

struct gzFile_s;

namespace punctual {

class LineReader {
 public:
  static constexpr std::size_t kMaxLineBytes = 8192;

  struct Line {
    std::string_view text;  // without its line end ("\n" or "\r\n"); valid until the next call
    bool too_long = false;  // over kMaxLineBytes: read past, and text is empty
  };

  // Whether it is gzip is read from its first bytes, not from its name. kNotFound: no such file; kPermissionDenied.
  static Result<LineReader> Open(const std::string& path);

  // Nothing after the last line. kInvalidArgument, naming the file: gzip data that is damaged or cut short; kInternal:
  // the system could not read.
  Result<std::optional<Line>> Next();

  const std::string& path() const { return path_; }
  // Of the line that Next() gave last, from 1.
  std::uint64_t line_number() const { return line_number_; }

 private:
  struct Closer {
    void operator()(gzFile_s* file) const;
  };

  LineReader(std::string path, gzFile_s* file);
  Result<void> Fill();

  std::string path_;
  std::unique_ptr<gzFile_s, Closer> file_;
  std::vector<char> buffer_;
  std::size_t begin_ = 0;  // the unread part of buffer_
  std::size_t end_ = 0;
  bool at_end_ = false;
  std::uint64_t line_number_ = 0;
};

}  // namespace punctual
