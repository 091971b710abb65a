// NumPy's files: an array (.npy), or several in a zip archive (.npz), plain or deflated. What it is follows from the
// first bytes, not from the name.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "optimize/npy.h"
#include "punctual/result.h"

namespace punctual::optimize {

// An array that is about to be read. Not thread-safe; of an ArrayFile, one at a time, while that lives.
class ArrayReader {
 public:
  virtual ~ArrayReader() = default;
  const NpyHeader& header() const { return header_; }
  // Its file, and in an archive its name; what messages begin with.
  const std::string& where() const { return where_; }
  // All of its numbers, row-major. Once. REQUIRES: out.size() == header().data_bytes.
  // kInvalidArgument: the file is cut or damaged; kInternal: the system could not read.
  virtual Result<void> Read(std::span<std::byte> out) = 0;

 protected:
  NpyHeader header_;
  std::string where_;
};

// Not thread-safe.
class ArrayFile {
 public:
  virtual ~ArrayFile() = default;
  // kNotFound: no such file; kInvalidArgument: neither of the two.
  static Result<std::unique_ptr<ArrayFile>> Open(const std::string& path);

  // Of a .npz; of a .npy one, "".
  virtual const std::vector<std::string>& names() const = 0;
  // kInvalidArgument: not an array that can be read (npy.h), with what to do. REQUIRES: i < names().size().
  virtual Result<std::unique_ptr<ArrayReader>> Array(std::size_t i) = 0;
};

}  // namespace punctual::optimize
