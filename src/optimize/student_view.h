// What a student sees of the questions that its model is asked: some rows of the model's own input, a whole tensor, or
// columns of the same books.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "features/features.h"
#include "optimize/samples.h"
#include "optimize/training_set.h"
#include "punctual/result.h"
#include "tensor/tensor_spec.h"

namespace punctual::optimize {

// A value.
struct StudentView {
  std::string name;                     // for people: "newest row"
  TensorSpec input;                     // of the student's file
  std::optional<FeatureSpec> features;  // how books fill it; none: it takes tensors, as its model does
  // Of the student's input, flattened, what it reads, in its order: the file leaves out the rest. Empty: all of it.
  std::vector<std::size_t> seen;
  // The same numbers' places in the model's input, flattened; empty: the view is not made from that input.
  std::vector<std::size_t> of_model;
  Rows rows;  // of each sample: what is seen

  std::size_t width() const { return rows.width; }
};

// Views are made of samples of one float32 input with a batch of one; else kInvalidArgument.

// The newest `rows` rows of the window that `model` has: the same columns, a shorter window, less history.
// kInvalidArgument: not from 1 to the model's window, or samples that are not of such windows.
Result<StudentView> ViewNewestRows(const Samples& samples, const FeatureSpec& model, int rows);

// Of the window's rows the newest one and those 1, 2, 4, 8, ... before it, and the oldest: how the books came to be
// what they are, in few numbers. Computing them takes the whole window's features. kInvalidArgument: as above.
Result<StudentView> ViewSpacedRows(const Samples& samples, const FeatureSpec& model);

// The whole input of a model that takes tensors.
Result<StudentView> ViewTensor(const Samples& samples);

// Columns of the books that the samples were made from. `of_features`: the same books read with `features`, a row for
// each of the samples at least. kInvalidArgument: samples of another shape than the features'; kFailedPrecondition: a
// sample whose snapshot is not among them, with the remedy.
Result<StudentView> ViewBooks(const Samples& samples, const Samples& of_features, const FeatureSpec& features);

// Columns that say much of a book in few numbers, in their own units: imbalances, order flow, returns and shares of
// size, of no more levels than `model` has, looking back no further than `history` books (FeaturePlan::history() of the
// model), so that the student can answer whenever its model can. `window`: rows, at most the model's history.
FeatureSpec ProposeFeatures(const FeatureSpec& model, std::size_t history, int window);

// With the mean and deviation that the columns of `view` (made with these features) have in the rows `fit`, cut at ten
// deviations; constant columns left out. kFailedPrecondition: all are constant.
Result<FeatureSpec> Standardised(const StudentView& view, std::span<const std::size_t> fit);

}  // namespace punctual::optimize
