// TreeEnsembleClassifier, TreeEnsembleRegressor.
#include <algorithm>
#include <array>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "backend/native/operators/families.h"
#include "backend/native/operators/tree_ensemble.h"
#include "backend/native/operators/tree_post_transform.h"
#include "backend/native/operators/tree_scores.h"

namespace punctual::native {

namespace {

constexpr std::int64_t kMostTargets = 65'536;

// Rows and features of the input: [features] is one row.
std::pair<std::size_t, std::size_t> RowsAndFeatures(const Dims& dims) {
  return {dims.size() == 2 ? static_cast<std::size_t>(dims[0]) : 1, static_cast<std::size_t>(dims.back())};
}

Result<void> CheckCommon(const InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(1, 1));
  PUNCTUAL_TRY(context.ExpectType(0, {ElementType::kFloat32}));
  const Dims& dims = context.input(0).dims;
  if (dims.empty() || dims.size() > 2)
    return context.Wrong("an input of shape " + ShapeText(dims) + ": it must be [rows, features]");
  if (const std::string name = context.node().String("post_transform", "NONE"); !PostTransformOf(name).has_value())
    return context.Wrong("post_transform \"" + name + "\" is not known");
  return {};
}

Error InContext(const InferContext& context, const Error& error) {
  return error.code == Code::kFailedPrecondition ? context.Unsupported(error.message) : context.Wrong(error.message);
}

Result<TreeEnsemble> ReadRegressor(const Node& node, const Dims& dims) {
  const std::int64_t targets = node.Int("n_targets", 1);
  if (targets < 1 || targets > kMostTargets)
    return Fail(Code::kInvalidArgument,
                "n_targets is " + std::to_string(targets) + ", it must be from 1 to " + std::to_string(kMostTargets));
  PUNCTUAL_ASSIGN(TreeEnsemble ensemble,
                  ReadTreeEnsemble(node, "target", static_cast<std::size_t>(targets), RowsAndFeatures(dims).second));
  if (!ensemble.base_values.empty() && ensemble.base_values.size() != ensemble.targets)
    return Fail(Code::kInvalidArgument, "base_values has not a number for each target");
  return ensemble;
}

std::optional<TreeAggregate> AggregateOf(const Node& node) {
  constexpr std::pair<std::string_view, TreeAggregate> kKnown[] = {{"SUM", TreeAggregate::kSum},
                                                                   {"AVERAGE", TreeAggregate::kAverage},
                                                                   {"MIN", TreeAggregate::kMin},
                                                                   {"MAX", TreeAggregate::kMax}};
  const std::string name = node.String("aggregate_function", "SUM");
  for (const auto& [known, aggregate] : kKnown)
    if (known == name) return aggregate;
  return std::nullopt;
}

Result<void> InferRegressor(InferContext& context) {
  PUNCTUAL_TRY(CheckCommon(context));
  if (!AggregateOf(context.node()).has_value())
    return context.Wrong("aggregate_function \"" + context.node().String("aggregate_function", "") + "\" is not known");
  const Dims& dims = context.input(0).dims;
  const auto ensemble = ReadRegressor(context.node(), dims);
  if (ensemble.has_error()) return InContext(context, ensemble.error());
  return context.SetOutput(
      0, ElementType::kFloat32,
      {static_cast<std::int64_t>(RowsAndFeatures(dims).first), static_cast<std::int64_t>(ensemble->targets)});
}

// How the one score of two classes becomes two. ONNX has it so where all weights are of one class, whichever. The score
// speaks for the second.
struct OneScore {
  bool is_it = false;
  bool is_probability = false;  // no weight is negative: the score is the second class's share, the first has the rest
};

struct Classifier {
  TreeEnsemble ensemble;
  std::vector<std::int64_t> labels;
  OneScore one_score;
};

Result<Classifier> ReadClassifier(const Node& node, const Dims& dims) {
  if (const auto* const names = node.Strings("classlabels_strings"); names != nullptr && !names->empty())
    return Fail(Code::kFailedPrecondition,
                "labels that are strings are not supported: export the model with whole numbers as labels");
  Classifier classifier;
  if (const auto* const labels = node.Ints("classlabels_int64s"); labels != nullptr) classifier.labels = *labels;
  if (classifier.labels.size() < 2 || classifier.labels.size() > static_cast<std::size_t>(kMostTargets))
    return Fail(Code::kInvalidArgument, "classlabels_int64s has " + std::to_string(classifier.labels.size()) +
                                            " labels, there must be from 2 to " + std::to_string(kMostTargets));
  PUNCTUAL_ASSIGN(classifier.ensemble,
                  ReadTreeEnsemble(node, "class", classifier.labels.size(), RowsAndFeatures(dims).second));
  TreeEnsemble& ensemble = classifier.ensemble;
  const auto& weights = ensemble.weights;
  const std::uint32_t first = weights.empty() ? 0 : weights.front().target;
  OneScore& one = classifier.one_score;
  one.is_it = classifier.labels.size() == 2 &&
              std::all_of(weights.begin(), weights.end(), [first](const LeafWeight& w) { return w.target == first; });
  one.is_probability = std::all_of(weights.begin(), weights.end(), [](const LeafWeight& w) { return w.weight >= 0; });
  auto& base_values = ensemble.base_values;
  if (one.is_it) {
    for (LeafWeight& weight : ensemble.weights) weight.target = 0;
    if (base_values.size() == 2) base_values = {base_values[first]};
    ensemble.targets = 1;
  }
  if (!base_values.empty() && base_values.size() != ensemble.targets)
    return Fail(Code::kInvalidArgument, "base_values has not a number for each class");
  return classifier;
}

Result<void> InferClassifier(InferContext& context) {
  PUNCTUAL_TRY(CheckCommon(context));
  const Dims& dims = context.input(0).dims;
  const auto classifier = ReadClassifier(context.node(), dims);
  if (classifier.has_error()) return InContext(context, classifier.error());
  const auto rows = static_cast<std::int64_t>(RowsAndFeatures(dims).first);
  PUNCTUAL_TRY(context.SetOutput(0, ElementType::kInt64, {rows}));
  return context.SetOutput(1, ElementType::kFloat32, {rows, static_cast<std::int64_t>(classifier->labels.size())});
}

class RegressorStep final : public Step {
 public:
  RegressorStep(Operand x, Operand y, Operand scratch, std::size_t rows, std::size_t features, std::size_t targets,
                std::unique_ptr<const TreeScores> trees, PostTransform transform)
      : x_(x),
        y_(y),
        scratch_(scratch),
        rows_(rows),
        features_(features),
        targets_(targets),
        trees_(std::move(trees)),
        transform_(transform) {}
  void Run(std::byte* arena) const override {
    const float* const x = x_.In<float>(arena);
    float* const y = y_.Out<float>(arena);
    for (std::size_t row = 0; row < rows_; ++row) {
      const std::span<float> scores(y + row * targets_, targets_);
      trees_->Compute(x + row * features_, scratch_.Out<float>(arena), scores.data());
      Apply(transform_, scores);
    }
  }

 private:
  Operand x_, y_, scratch_;
  std::size_t rows_, features_, targets_;
  std::unique_ptr<const TreeScores> trees_;
  PostTransform transform_;
};

class ClassifierStep final : public Step {
 public:
  struct Operands {
    Operand x, labels, scores;
    Operand scratch;  // the trees' first, then the scores
  };
  ClassifierStep(const Operands& operands, std::size_t rows, std::size_t features, std::vector<std::int64_t> labels,
                 OneScore one_score, std::unique_ptr<const TreeScores> trees, PostTransform transform)
      : operands_(operands),
        rows_(rows),
        features_(features),
        labels_(std::move(labels)),
        one_score_(one_score),
        trees_(std::move(trees)),
        transform_(transform) {}

  void Run(std::byte* arena) const override {
    float* const scratch = operands_.scratch.Out<float>(arena);
    const std::span<float> scores(scratch + trees_->scratch_count(), labels_.size());
    for (std::size_t row = 0; row < rows_; ++row) {
      trees_->Compute(operands_.x.In<float>(arena) + row * features_, scratch, scores.data());
      const std::size_t winner = one_score_.is_it ? OfOneScore(scores) : OfAll(scores);
      operands_.labels.Out<std::int64_t>(arena)[row] = labels_[winner];
      std::copy(scores.begin(), scores.end(), operands_.scores.Out<float>(arena) + row * labels_.size());
    }
  }

 private:
  std::size_t OfAll(std::span<float> scores) const {
    const auto winner = std::max_element(scores.begin(), scores.end()) - scores.begin();
    Apply(transform_, scores);
    return static_cast<std::size_t>(winner);
  }
  std::size_t OfOneScore(std::span<float> scores) const {
    const float score = scores[0];
    const bool is_share = one_score_.is_probability && transform_ != PostTransform::kLogistic;
    scores[1] = score;
    scores[0] = is_share ? 1 - score : -score;
    if (transform_ == PostTransform::kLogistic || transform_ == PostTransform::kProbit) Apply(transform_, scores);
    return score > (is_share ? 0.5f : 0.0f) ? 1 : 0;
  }

  Operands operands_;
  std::size_t rows_, features_;
  std::vector<std::int64_t> labels_;
  OneScore one_score_;
  std::unique_ptr<const TreeScores> trees_;
  PostTransform transform_;
};

Result<void> LowerRegressor(const Node& node, PlanBuilder& builder) {
  const Dims& dims = builder.value(node.inputs[0]).dims;
  const auto [rows, features] = RowsAndFeatures(dims);
  PUNCTUAL_ASSIGN(const TreeEnsemble ensemble, ReadRegressor(node, dims));
  auto trees = std::make_unique<const TreeScores>(ensemble, features, *AggregateOf(node), builder);
  const Operand scratch = builder.Scratch(trees->scratch_count() * sizeof(float));
  builder.Add<RegressorStep>(node, builder.OperandOf(node.inputs[0]), builder.OperandOf(node.outputs[0]), scratch, rows,
                             features, ensemble.targets, std::move(trees),
                             *PostTransformOf(node.String("post_transform", "NONE")));
  return {};
}

Result<void> LowerClassifier(const Node& node, PlanBuilder& builder) {
  const Dims& dims = builder.value(node.inputs[0]).dims;
  const auto [rows, features] = RowsAndFeatures(dims);
  PUNCTUAL_ASSIGN(Classifier classifier, ReadClassifier(node, dims));
  const std::size_t classes = classifier.labels.size();
  auto trees = std::make_unique<const TreeScores>(classifier.ensemble, features, TreeAggregate::kSum, builder);
  ClassifierStep::Operands operands;
  operands.x = builder.OperandOf(node.inputs[0]);
  operands.scratch = builder.Scratch((trees->scratch_count() + classes) * sizeof(float));
  // An output that nobody asked for still needs room.
  operands.labels =
      node.output(0) != kNoValue ? builder.OperandOf(node.outputs[0]) : builder.Scratch(rows * sizeof(std::int64_t));
  operands.scores =
      node.output(1) != kNoValue ? builder.OperandOf(node.outputs[1]) : builder.Scratch(rows * classes * sizeof(float));
  builder.Add<ClassifierStep>(node, operands, rows, features, std::move(classifier.labels), classifier.one_score,
                              std::move(trees), *PostTransformOf(node.String("post_transform", "NONE")));
  return {};
}

using enum AttributeKind;

// Of both operators. Hit rates only make other walks quicker.
constexpr KnownAttribute kOfBoth[] = {{"nodes_falsenodeids", kInts},
                                      {"nodes_featureids", kInts},
                                      {"nodes_hitrates", kFloats},
                                      {"nodes_hitrates_as_tensor", kTensor},
                                      {"nodes_missing_value_tracks_true", kInts},
                                      {"nodes_modes", kStrings},
                                      {"nodes_nodeids", kInts},
                                      {"nodes_treeids", kInts},
                                      {"nodes_truenodeids", kInts},
                                      {"nodes_values", kFloats},
                                      {"nodes_values_as_tensor", kTensor},
                                      {"base_values", kFloats},
                                      {"base_values_as_tensor", kTensor},
                                      {"post_transform", kString}};

template <std::size_t kCount>
constexpr auto WithThoseOfBoth(const KnownAttribute (&own)[kCount]) {
  std::array<KnownAttribute, std::size(kOfBoth) + kCount> all{};
  std::ranges::copy(own, std::ranges::copy(kOfBoth, all.begin()).out);
  return all;
}

constexpr auto kOfClassifier = WithThoseOfBoth({{"class_ids", kInts},
                                                {"class_nodeids", kInts},
                                                {"class_treeids", kInts},
                                                {"class_weights", kFloats},
                                                {"class_weights_as_tensor", kTensor},
                                                {"classlabels_int64s", kInts},
                                                {"classlabels_strings", kStrings}});
constexpr auto kOfRegressor = WithThoseOfBoth({{"target_ids", kInts},
                                               {"target_nodeids", kInts},
                                               {"target_treeids", kInts},
                                               {"target_weights", kFloats},
                                               {"target_weights_as_tensor", kTensor},
                                               {"n_targets", kInt},
                                               {"aggregate_function", kString}});

constexpr Operator kOperators[] = {
    {"ai.onnx.ml", "TreeEnsembleClassifier", 1, 4, InferClassifier, LowerClassifier, kOfClassifier},
    {"ai.onnx.ml", "TreeEnsembleRegressor", 1, 4, InferRegressor, LowerRegressor, kOfRegressor},
};

}  // namespace

std::span<const Operator> TreesOperators() { return kOperators; }

}  // namespace punctual::native
