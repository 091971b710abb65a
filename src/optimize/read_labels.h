// What was true, for samples that were recorded: a class each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "optimize/samples.h"
#include "punctual/result.h"

namespace punctual::optimize {

// Of `labels.size()` rows; columns that a file does not have are empty.
struct Labels {
  std::string path;
  std::vector<std::int32_t> labels;   // a class, from 0, or Samples::kNoLabel
  std::vector<std::int64_t> time_ns;  // of the sample that it is about
  std::vector<std::uint32_t> symbol;  // an index into `symbols`
  std::vector<std::string> symbols;
};

inline constexpr std::size_t kMostLabels = std::size_t{1} << 25;

// Either a .npy of whole numbers, [samples] or [samples,1]; or CSV, plain or gzip, whose header names the columns:
// `label`, and, if they are known, `symbol` and `time_ns`, in any order. A label of -1 is not known. kNotFound: no such
// file; kInvalidArgument names the line and the column, or the array's number; kResourceExhausted: over kMostLabels.
Result<Labels> ReadLabels(const std::string& path);

// The columns of such a CSV, and a line of it taken apart. Pure; thread-safe.
class LabelsCsv {
 public:
  struct Row {
    std::int32_t label = Samples::kNoLabel;
    std::string_view symbol;  // of the line
    std::int64_t time_ns = 0;
  };
  // kInvalidArgument names a column that is not known, is there twice, or is not there.
  static Result<LabelsCsv> FromHeader(std::string_view line);
  // kInvalidArgument names the column.
  Result<Row> ParseLine(std::string_view line) const;

  bool has_symbol() const { return Has(Column::kSymbol); }
  bool has_time() const { return Has(Column::kTime); }

 private:
  enum class Column { kLabel, kSymbol, kTime };
  bool Has(Column column) const;
  std::vector<Column> columns_;
};

// A row for each sample, in their order: of tensors. Symbols and times, where the labels have them, become the
// samples'. kInvalidArgument: not as many rows as samples, or times of a symbol that go back.
Result<void> LabelInOrder(const Labels& labels, Samples& samples);

// Of each sample the row of its symbol and time: of order books. Rows of others are left alone, and samples without a
// row have no label. kInvalidArgument: labels without times, or without symbols where samples are of several; two rows
// that contradict each other; none that is a sample's.
Result<void> LabelByTime(const Labels& labels, Samples& samples);

}  // namespace punctual::optimize
