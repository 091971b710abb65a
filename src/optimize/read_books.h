// Recorded order books as samples: what a model that is asked about books would have been asked.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "features/features.h"
#include "optimize/samples.h"
#include "punctual/result.h"

namespace punctual::optimize {

struct ReadBooksOptions {
  // Samples at most, of all files together, and the bytes of their inputs at most. Where the files have more, each
  // gives as large a share of its samples, every so many of them.
  std::size_t most = 100'000;
  std::size_t most_bytes = std::size_t{1} << 30;
  // Called now and then with how many books were read, and how many there are to read: the files are read twice, first
  // to count their books. 0: not known yet. May be empty.
  std::function<void(std::size_t books, std::size_t of)> progress;
};

// A sample for each book of `files` (market/csv_reader.h, a symbol each, called as BookCsvSymbol says) that has as much
// history before it as `plan` needs, in the order of time; of equal times the file that is named first comes first.
// Holds the samples and of each file a window of books, no more. `input`: what the plan fills. kNotFound: no such file;
// kInvalidArgument: a file that is not sound ("FILE:LINE: what"), that has fewer levels than the plan uses, or a symbol
// that is there twice; kFailedPrecondition: a file without a single sample, with the number of its books.
Result<Samples> ReadBooks(const std::vector<std::string>& files, const FeaturePlan& plan, const TensorSpec& input,
                          const ReadBooksOptions& options = {});

}  // namespace punctual::optimize
