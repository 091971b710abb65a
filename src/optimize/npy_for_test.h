// Files as NumPy writes them, for tests.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "optimize/npy.h"

namespace punctual::optimize {

// Version 1, with a header that says `dictionary`.
inline std::string NpyForTest(const std::string& dictionary, const std::string& data) {
  std::string file(kNpyMagic);
  file += std::string("\1\0", 2);
  file += static_cast<char>(dictionary.size() % 256);
  file += static_cast<char>(dictionary.size() / 256);
  return file + dictionary + data;
}

// `type`: "<f4"; `shape`: "(2, 3)".
template <class T>
std::string NpyForTest(const std::string& type, const std::string& shape, const std::vector<T>& values) {
  const auto bytes = std::as_bytes(std::span(values));
  return NpyForTest("{'descr': '" + type + "', 'fortran_order': False, 'shape': " + shape + ", }\n",
                    std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

}  // namespace punctual::optimize
