#include "optimize/student_view.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <numeric>
#include <tuple>
#include <utility>

namespace punctual::optimize {
namespace {

constexpr double kCutAtDeviations = 10;

// The floats of one sample.
std::vector<float> FloatsOf(const Samples& samples, std::size_t i) {
  const std::span<const std::byte> bytes = samples.Of(0, i);
  std::vector<float> floats(bytes.size() / sizeof(float));
  std::memcpy(floats.data(), bytes.data(), bytes.size());
  return floats;
}

Result<std::size_t> ElementsOf(const Samples& samples) {
  if (samples.inputs.size() != 1)
    return Fail(Code::kInvalidArgument, "student: its model has " + std::to_string(samples.inputs.size()) +
                                            " inputs; students are made of models that have one");
  const TensorSpec& input = samples.inputs[0];
  if (input.dtype != DType::kFloat32 || input.shape.empty() || input.shape[0] != 1)
    return Fail(Code::kInvalidArgument, "student: its model's input \"" + input.name + "\" is " +
                                            std::string(DTypeName(input.dtype)) + " " + ShapeText(input.shape) +
                                            "; it must be FP32 and begin with a batch of 1");
  if (samples.count() == 0) return Fail(Code::kFailedPrecondition, "student: there are no samples");
  return ElementCount(input.shape);
}

void TakeRows(const Samples& samples, StudentView& view) {
  view.rows.width = view.of_model.size();
  view.rows.values.reserve(samples.count() * view.of_model.size());
  for (std::size_t i = 0; i < samples.count(); ++i) {
    const std::vector<float> floats = FloatsOf(samples, i);
    for (const std::size_t element : view.of_model) view.rows.values.push_back(floats[element]);
  }
}

Shape ShapeOf(const FeatureSpec& features) {
  const auto columns = static_cast<std::int64_t>(features.columns.size());
  return features.window == 1 ? Shape{1, columns} : Shape{1, features.window, columns};
}

Result<void> CheckWindows(const Samples& samples, const FeatureSpec& model) {
  PUNCTUAL_ASSIGN(const std::size_t all, ElementsOf(samples));
  const std::size_t made = static_cast<std::size_t>(model.window) * model.columns.size();
  if (all == made) return {};
  return Fail(Code::kInvalidArgument, "student: the samples have " + std::to_string(all) +
                                          " numbers each, the model's features make " + std::to_string(made));
}

// Those rows that are so many `back` from the newest, farthest first, of a window that reaches as far as they do.
StudentView ViewRows(const Samples& samples, const FeatureSpec& model, std::string name, const std::vector<int>& back) {
  StudentView view;
  view.name = std::move(name);
  view.features = model;
  view.features->window = back.front() + 1;
  view.input = {samples.inputs[0].name, DType::kFloat32, ShapeOf(*view.features)};
  const std::size_t columns = model.columns.size();
  const bool sees_all = back.size() == static_cast<std::size_t>(view.features->window);
  for (const int row : back)
    for (std::size_t column = 0; column < columns; ++column) {
      view.of_model.push_back(static_cast<std::size_t>(model.window - 1 - row) * columns + column);
      if (!sees_all) view.seen.push_back(static_cast<std::size_t>(back.front() - row) * columns + column);
    }
  TakeRows(samples, view);
  return view;
}

// Of a snapshot: its symbol's name and its place.
using SnapshotKey = std::pair<std::string, std::uint64_t>;

SnapshotKey KeyOf(const Samples& samples, std::size_t i) {
  return {samples.symbols[samples.symbol[i]], samples.snapshot[i]};
}

}  // namespace

Result<StudentView> ViewNewestRows(const Samples& samples, const FeatureSpec& model, int rows) {
  PUNCTUAL_TRY(CheckWindows(samples, model));
  if (rows < 1 || rows > model.window)
    return Fail(Code::kInvalidArgument,
                "student: it cannot see " + std::to_string(rows) + " rows of " + std::to_string(model.window));
  std::vector<int> back(static_cast<std::size_t>(rows));
  std::iota(back.rbegin(), back.rend(), 0);
  return ViewRows(samples, model, rows == 1 ? "newest row" : "newest " + std::to_string(rows) + " rows", back);
}

Result<StudentView> ViewSpacedRows(const Samples& samples, const FeatureSpec& model) {
  PUNCTUAL_TRY(CheckWindows(samples, model));
  std::vector<int> back = {0};
  for (int row = 1; row < model.window - 1; row *= 2) back.insert(back.begin(), row);
  if (model.window > 1) back.insert(back.begin(), model.window - 1);
  return ViewRows(samples, model, std::to_string(back.size()) + " rows of " + std::to_string(model.window), back);
}

Result<StudentView> ViewTensor(const Samples& samples) {
  StudentView view;
  PUNCTUAL_ASSIGN(const std::size_t all, ElementsOf(samples));
  view.name = "input";
  view.input = samples.inputs[0];
  view.of_model.resize(all);
  std::iota(view.of_model.begin(), view.of_model.end(), std::size_t{0});
  TakeRows(samples, view);
  return view;
}

Result<StudentView> ViewBooks(const Samples& samples, const Samples& of_features, const FeatureSpec& features) {
  PUNCTUAL_TRY(ElementsOf(samples));
  PUNCTUAL_ASSIGN(const std::size_t width, ElementsOf(of_features));
  if (width != static_cast<std::size_t>(features.window) * features.columns.size())
    return Fail(Code::kInvalidArgument,
                "student: its features make " +
                    std::to_string(static_cast<std::size_t>(features.window) * features.columns.size()) +
                    " numbers, the samples of them have " + std::to_string(width));
  if (samples.snapshot.size() != samples.count() || of_features.snapshot.size() != of_features.count())
    return Fail(Code::kInvalidArgument, "student: features of books are for samples that were made from books");
  std::map<SnapshotKey, std::size_t> places;
  for (std::size_t i = 0; i < of_features.count(); ++i) places.emplace(KeyOf(of_features, i), i);
  StudentView view;
  view.name = features.window == 1 ? "columns of the newest book"
                                   : "columns of the newest " + std::to_string(features.window) + " books";
  view.features = features;
  view.input = {samples.inputs[0].name, DType::kFloat32, ShapeOf(features)};
  view.rows.width = width;
  view.rows.values.reserve(samples.count() * width);
  for (std::size_t i = 0; i < samples.count(); ++i) {
    const auto found = places.find(KeyOf(samples, i));
    if (found == places.end())
      return Fail(Code::kFailedPrecondition,
                  "student: snapshot " + std::to_string(samples.snapshot[i]) + " of " +
                      samples.symbols[samples.symbol[i]] +
                      " has no features; read the same files, every sample of them, with features that look back no "
                      "further than the model's");
    view.rows.Append(FloatsOf(of_features, found->second));
  }
  return view;
}

FeatureSpec ProposeFeatures(const FeatureSpec& model, std::size_t history, int window) {
  FeatureSpec spec;
  spec.window = std::clamp(window, 1, static_cast<int>(history));
  spec.levels = model.levels;
  const std::size_t looks_back =
      history - static_cast<std::size_t>(spec.window);  // that columns may, behind the window
  const auto add = [&spec](const std::string& column) { spec.columns.push_back(column); };
  for (const char* const column : {"spread_bp", "microprice_bp"}) add(column);
  for (const int k : {1, 2, 3, 5, 10, 20})
    if (k <= spec.levels) add("imbalance_" + std::to_string(k));
  for (const int k : {1, 5, 10})
    if (k <= spec.levels && looks_back >= 1) add("ofi_" + std::to_string(k));
  for (const int k : {1, 2, 3, 5, 10, 20, 30, 50, 75, 99, 100})
    if (static_cast<std::size_t>(k) <= looks_back) add("return_" + std::to_string(k) + "_bp");
  for (const char* const side : {"ask", "bid"})
    for (int level = 1; level <= std::min(spec.levels, 10); ++level) {
      if (level <= 5) add(std::string(side) + "_share_" + std::to_string(level));
      add(std::string(side) + "_bp_" + std::to_string(level));
    }
  if (spec.window > 1) add("mid_bp");
  return spec;
}

Result<FeatureSpec> Standardised(const StudentView& view, std::span<const std::size_t> fit) {
  FeatureSpec spec = *view.features;
  const std::size_t columns = spec.columns.size();
  std::vector<double> sum(columns), squares(columns), least(columns, INFINITY), most(columns, -INFINITY);
  const auto for_all = [&](const auto& what) {
    for (const std::size_t i : fit)
      for (std::size_t at = 0; at < view.width(); ++at) what(at % columns, static_cast<double>(view.rows[i][at]));
  };
  for_all([&](std::size_t column, double value) {
    sum[column] += value;
    least[column] = std::min(least[column], value);
    most[column] = std::max(most[column], value);
  });
  const double count = static_cast<double>(fit.size()) * spec.window;
  for_all([&](std::size_t column, double value) {
    const double apart = value - sum[column] / count;
    squares[column] += apart * apart;
  });
  FeatureSpec kept = spec;
  kept.columns.clear();
  kept.mean.clear();
  kept.std.clear();
  for (std::size_t column = 0; column < columns; ++column) {
    const double deviation = std::sqrt(squares[column] / count);
    if (!(most[column] > least[column]) || !(deviation > 0)) continue;
    kept.columns.push_back(spec.columns[column]);
    kept.mean.push_back(sum[column] / count);
    kept.std.push_back(deviation);
  }
  if (kept.columns.empty())
    return Fail(Code::kFailedPrecondition, "student: all of its " + std::to_string(columns) +
                                               " columns are constant in " + std::to_string(fit.size()) +
                                               " samples; record a livelier time");
  kept.clip = kCutAtDeviations;
  return kept;
}

}  // namespace punctual::optimize
