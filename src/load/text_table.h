// A table for people, drawn with box characters. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace punctual::load {

class TextTable {
 public:
  // The first column stands left, the others right.
  explicit TextTable(std::vector<std::string> header) : rows_{std::move(header)} {}
  // REQUIRES: as many cells as the header has.
  void Add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string Text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

// "12,345"
std::string Grouped(std::uint64_t number);
// With a fixed number of digits behind the point.
std::string Fixed(double number, int digits);

}  // namespace punctual::load
