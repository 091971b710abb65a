// Recorded tensors as samples, from NumPy's files.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "optimize/samples.h"
#include "punctual/result.h"

namespace punctual::optimize {

struct ReadTensorsOptions {
  std::size_t most_bytes = std::size_t{1} << 30;  // of all inputs together
};

// `path`: a .npy for a model with one input, or a .npz with an array for each input, called as the input is; others in
// it are left alone. An array's first axis is the samples, in the order of time, and a sample of it is as the input,
// with its first axis of 1 or without. Samples are of the symbol "", 0, 1, 2, ... in time; read_labels.h may say more.
// kNotFound: no such file; kInvalidArgument names the array that is not there, not of the input's type or shape, not of
// as many samples as another, or has a number that is not finite (which one); kResourceExhausted: more than most_bytes.
Result<Samples> ReadTensors(const std::string& path, const std::vector<TensorSpec>& inputs,
                            const ReadTensorsOptions& options = {});

}  // namespace punctual::optimize
