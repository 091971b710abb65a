// Small multi-layer perceptrons that learn what a model answers: one or two hidden layers with Relu, trained by Adam
// (Kingma, Ba 2015) with decoupled weight decay (Loshchilov, Hutter 2019) in plain floats on one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "optimize/training_set.h"
#include "punctual/result.h"

namespace punctual::optimize {

struct MlpOptions {
  std::vector<std::size_t> hidden = {32, 32};  // widths: one or two, 1 to 1024 each
  int epochs = 40;                             // at most: 1 to 1000
  int patience = 8;                            // epochs without gain on the watched set, after which training stops
  std::size_t batch = 128;
  double learning_rate = 2e-3;  // at first; it falls to nothing along a half cosine
  double weight_decay = 1e-4;
  std::uint64_t seed = 1;
};

// y = x W + b.
struct DenseLayer {
  std::size_t inputs = 0, outputs = 0;
  std::vector<float> weights;  // [inputs][outputs]
  std::vector<float> bias;     // [outputs]
};

// A trained perceptron, as it is written to a file: its first layer takes the inputs as they are, its last one gives
// scores (of Meaning::kProbabilities: before the softmax; else the numbers themselves). A value.
struct Mlp {
  Meaning meaning = Meaning::kNumbers;
  std::vector<DenseLayer> layers;
  int epochs = 0;  // of training that it took

  // REQUIRES: rows.width is the first layer's.
  Answers Predict(const Rows& rows) const;
};

// With weights as training begins: for timing one before it is trained. The errors of an option out of range.
Result<Mlp> BeginMlp(std::size_t inputs, std::size_t outputs, Meaning meaning, const MlpOptions& options);

// Trains on `fit` and takes the epoch whose loss on `search` is least. Inputs are standardised by `fit`, and constant
// ones ignored: both become part of the first layer. The same seed gives the same bits on one kind of machine.
// kInvalidArgument: an option out of range; those of CheckTrainingSet; kInternal: the loss is not a number.
Result<Mlp> TrainMlp(const TrainingSet& fit, const TrainingSet& search, Meaning meaning, const MlpOptions& options);

}  // namespace punctual::optimize
