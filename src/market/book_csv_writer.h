// Writes the files that BookCsvReader reads. Not thread-safe; movable.
#pragma once

#include <memory>
#include <string>

#include "punctual/market.h"
#include "punctual/result.h"

struct gzFile_s;

namespace punctual {

class BookCsvWriter {
 public:
  // Replaces what is at `path`; gzip if it ends in ".gz". Books are written with `levels` levels, 1 to kMaxBookLevels.
  // kInvalidArgument: another number of levels; kInternal: the file cannot be made.
  static Result<BookCsvWriter> Open(const std::string& path, int levels);

  // Numbers are written so that they read back the same; of the exchange time, whole milliseconds, and the sequence not
  // at all. kInvalidArgument: not a valid book, or one of fewer levels; kInternal: the system could not write.
  Result<void> Write(const BookSnapshot& book);
  // The file is whole only when this succeeded; the destructor closes it too, but cannot say. Nothing may be written
  // afterwards. kInternal: the system could not write.
  Result<void> Close();

 private:
  struct Closer {
    void operator()(gzFile_s* file) const;
  };

  BookCsvWriter(std::string path, gzFile_s* file, int levels);
  Result<void> Put(const char* text, std::size_t size);

  std::string path_;
  std::unique_ptr<gzFile_s, Closer> file_;
  int levels_;
};

}  // namespace punctual
