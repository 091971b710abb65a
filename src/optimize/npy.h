// The header of a NumPy array file, .npy, versions 1 to 3 (https://numpy.org/neps/nep-0001-npy-format.html). Arrays of
// numbers in little endian and C order are read; all else there may be is refused with the NumPy call that mends it.
// Pure functions; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "punctual/result.h"
#include "punctual/tensor.h"

namespace punctual::optimize {

inline constexpr std::string_view kNpyMagic = "\x93NUMPY";
// What tells how long the header is.
inline constexpr std::size_t kNpyPrefixBytes = 12;
inline constexpr std::size_t kMaxNpyHeaderBytes = 65'536;
inline constexpr std::size_t kMaxNpyDimensions = 32;

struct NpyHeader {
  enum class Kind { kFloat, kSigned, kUnsigned };
  Kind kind = Kind::kFloat;
  std::size_t item_bytes = 4;    // 2, 4 or 8 of a float; 1, 2, 4 or 8 of a whole number
  Shape shape;                   // outermost first; empty: one number
  std::size_t header_bytes = 0;  // before the numbers
  std::size_t data_bytes = 0;    // of the numbers: to the end of the file
};

// As NumPy calls it: "float32".
std::string NpyTypeName(const NpyHeader& header);

// Of the whole header, prefix and all, from a file's first kNpyPrefixBytes. kInvalidArgument: not such a file, another
// version, or a header over kMaxNpyHeaderBytes.
Result<std::size_t> NpyHeaderBytes(std::string_view prefix);

// `header`: as many bytes as NpyHeaderBytes says; `file_bytes`: of the file. kInvalidArgument says what is not as it
// should be, an array that is larger or smaller than its file too.
Result<NpyHeader> ParseNpyHeader(std::string_view header, std::uint64_t file_bytes);

}  // namespace punctual::optimize
