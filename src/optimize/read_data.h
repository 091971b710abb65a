// What a model is optimised on: order books or tensors, whichever the files are, with labels where there are any.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "base/digest.h"
#include "optimize/samples.h"
#include "optimize/subject.h"
#include "punctual/result.h"

namespace punctual::optimize {

struct DataFiles {
  std::vector<std::string> files;  // order books, a symbol each; or one .npy or .npz
  std::string labels;              // empty: none
};

// Whether there is a file of tensors among them.
bool AreTensors(const DataFiles& data);

// `progress`: as ReadBooksOptions::progress. kInvalidArgument, kNotFound and more: as ReadBooks, ReadTensors and
// ReadLabels say; a file that is no regular one; books for a model without [features]; books and tensors together, or
// several files of tensors.
Result<Samples> ReadData(const Subject& subject, const DataFiles& data,
                         const std::function<void(std::size_t, std::size_t)>& progress);

// Of the bytes of all files but the labels: a student sees more of books than the samples hold. kNotFound.
Result<Digest> DigestOfFiles(const DataFiles& data);

// Of all that the samples hold, whatever files they came from.
Digest DigestOfSamples(const Samples& samples);

}  // namespace punctual::optimize
