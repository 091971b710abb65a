#include "optimize/boosted_trees.h"

#include <xgboost/c_api.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "optimize/xgboost_model.h"

namespace punctual::optimize {
namespace {

Error XgboostFailed(const std::string& what) {
  return Fail(Code::kInternal, "XGBoost: " + what + ": " + XGBGetLastError());
}

// XGBoost's copy of rows, with the scores that its trees' sums begin with.
class Matrix {
 public:
  static Result<Matrix> Make(const Rows& rows, std::span<const float> base) {
    Matrix matrix;
    // Nothing is missing in training: inputs are finite.
    if (XGDMatrixCreateFromMat_omp(rows.values.data(), rows.count(), rows.width,
                                   std::numeric_limits<float>::quiet_NaN(), &matrix.handle_, 1) != 0)
      return XgboostFailed("cannot take the rows");
    std::vector<float> margins;
    margins.reserve(rows.count() * base.size());
    for (std::size_t i = 0; i < rows.count(); ++i) margins.insert(margins.end(), base.begin(), base.end());
    if (XGDMatrixSetFloatInfo(matrix.handle_, "base_margin", margins.data(), margins.size()) != 0)
      return XgboostFailed("cannot take the base margins");
    return matrix;
  }
  ~Matrix() {
    if (handle_ != nullptr) XGDMatrixFree(handle_);
  }
  Matrix(Matrix&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Matrix& operator=(Matrix&&) = delete;

  DMatrixHandle get() const { return handle_; }

 private:
  Matrix() = default;
  DMatrixHandle handle_ = nullptr;
};

Result<void> CheckOptions(const BoostedTreesOptions& options) {
  const auto wrong = [](const std::string& what) { return Fail(Code::kInvalidArgument, "boosted trees: " + what); };
  if (options.depth < 1 || options.depth > 16) return wrong("depth: must be from 1 to 16");
  if (options.rounds < 1 || options.rounds > 10'000) return wrong("rounds: must be from 1 to 10000");
  if (!(options.learning_rate > 0 && options.learning_rate <= 1)) return wrong("learning_rate: must be above 0, to 1");
  if (!(options.least_weight >= 0)) return wrong("least_weight: must not be negative");
  if (options.patience < 1) return wrong("patience: must be at least 1");
  return {};
}

// The first and second derivatives of the loss by each score.
class Gradient {
 public:
  Gradient(const Answers& right, Meaning meaning, std::span<const float> mean, std::span<const float> scale)
      : right_(right), meaning_(meaning), mean_(mean), scale_(scale) {
    first_.resize(right.values.size());
    second_.resize(right.values.size());
  }

  void Compute(std::span<const float> scores) {
    if (meaning_ == Meaning::kProbabilities)
      OfCrossEntropy(scores);
    else
      OfSquares(scores);
  }
  std::vector<float>& first() { return first_; }
  std::vector<float>& second() { return second_; }

 private:
  void OfCrossEntropy(std::span<const float> scores) {
    const std::size_t width = right_.width;
    std::vector<float> p(width);
    for (std::size_t row = 0; row < right_.count(); ++row) {
      std::copy_n(scores.begin() + static_cast<std::ptrdiff_t>(row * width), width, p.begin());
      Softmax(p);
      for (std::size_t k = 0; k < width; ++k) {
        first_[row * width + k] = p[k] - right_[row][k];
        second_[row * width + k] = std::max(2 * p[k] * (1 - p[k]), 1e-6f);
      }
    }
  }
  void OfSquares(std::span<const float> scores) {
    for (std::size_t i = 0; i < scores.size(); ++i) {
      const std::size_t k = i % right_.width;
      first_[i] = scores[i] - (right_.values[i] - mean_[k]) / scale_[k];
      second_[i] = 1;
    }
  }

  const Answers& right_;
  const Meaning meaning_;
  const std::span<const float> mean_, scale_;
  std::vector<float> first_, second_;
};

// Scores as answers; `base` and `scale` of numbers.
void ToAnswers(Answers& scores, Meaning meaning, std::span<const float> base, std::span<const float> scale) {
  if (meaning == Meaning::kProbabilities) {
    for (std::size_t i = 0; i < scores.count(); ++i)
      Softmax(std::span(scores.values).subspan(i * scores.width, scores.width));
    return;
  }
  for (std::size_t i = 0; i < scores.values.size(); ++i)
    scores.values[i] = base[i % scores.width] + scale[i % scores.width] * scores.values[i];
}

}  // namespace

struct BoostedTrees::Handle {
  ~Handle() {
    if (booster != nullptr) XGBoosterFree(booster);
  }

  Result<void> Create(std::span<const DMatrixHandle> matrices, std::size_t width, const BoostedTreesOptions& options) {
    if (XGBoosterCreate(matrices.data(), matrices.size(), &booster) != 0) return XgboostFailed("cannot begin");
    // The objective only says how many scores there are: their derivatives are ours.
    const bool one = width == 1;
    const std::vector<std::pair<const char*, std::string>> parameters = {
        {"objective", one ? "reg:squarederror" : "multi:softprob"},
        {"num_class", std::to_string(one ? 0 : width)},
        {"base_score", "0"},
        {"tree_method", "hist"},
        {"max_depth", std::to_string(options.depth)},
        {"learning_rate", std::to_string(options.learning_rate)},
        {"min_child_weight", std::to_string(options.least_weight)},
        {"seed", std::to_string(options.seed % (std::uint64_t{1} << 31))},
        {"nthread", "1"},  // sums in one order
        {"verbosity", "0"}};
    for (const auto& [name, value] : parameters)
      if (XGBoosterSetParam(booster, name, value.c_str()) != 0) return XgboostFailed(name);
    return {};
  }

  // Sums of the first `rounds` rounds' leaves; 0: of all.
  Result<std::span<const float>> Scores(const Matrix& matrix, int rounds, bool training) const {
    const std::string config = std::string("{\"type\":1,\"training\":") + (training ? "true" : "false") +
                               ",\"iteration_begin\":0,\"iteration_end\":" + std::to_string(rounds) +
                               ",\"strict_shape\":true}";
    bst_ulong const* shape = nullptr;
    bst_ulong rank = 0;
    float const* values = nullptr;
    if (XGBoosterPredictFromDMatrix(booster, matrix.get(), config.c_str(), &shape, &rank, &values) != 0)
      return XgboostFailed("cannot predict");
    std::size_t count = 1;
    for (bst_ulong i = 0; i < rank; ++i) count *= shape[i];
    return std::span(values, count);
  }

  BoosterHandle booster = nullptr;
};

BoostedTrees::BoostedTrees(std::unique_ptr<Handle> handle, std::size_t inputs, Meaning meaning, std::vector<float> base,
                           std::vector<float> scale)
    : handle_(std::move(handle)),
      inputs_(inputs),
      meaning_(meaning),
      base_(std::move(base)),
      scale_(std::move(scale)) {}
BoostedTrees::~BoostedTrees() = default;
BoostedTrees::BoostedTrees(BoostedTrees&&) noexcept = default;
BoostedTrees& BoostedTrees::operator=(BoostedTrees&&) noexcept = default;

Result<BoostedTrees> BoostedTrees::Train(const TrainingSet& fit, const TrainingSet& search, Meaning meaning,
                                         const BoostedTreesOptions& options) {
  PUNCTUAL_TRY(CheckOptions(options));
  PUNCTUAL_TRY(CheckTrainingSet(fit, meaning));
  if (search.x.count() == 0 || search.x.count() != search.y.count())
    return Fail(Code::kInvalidArgument, "boosted trees: there is nothing to watch while they are trained");
  const Moments moments = MomentsOf(fit.y);
  const bool shares = meaning == Meaning::kProbabilities;
  const std::vector<float> start = shares ? LogOdds(fit.y) : std::vector<float>(fit.y.width, 0);
  BoostedTrees trees(std::make_unique<Handle>(), fit.x.width, meaning, shares ? start : moments.mean,
                     moments.deviation);
  PUNCTUAL_ASSIGN(const Matrix learnt, Matrix::Make(fit.x, start));
  PUNCTUAL_ASSIGN(const Matrix watched, Matrix::Make(search.x, start));
  // XGBoost keeps the scores of both from round to round.
  PUNCTUAL_TRY(trees.handle_->Create(std::vector{learnt.get(), watched.get()}, fit.y.width, options));
  Gradient gradient(fit.y, meaning, moments.mean, moments.deviation);
  double least = std::numeric_limits<double>::infinity();
  Answers answers{search.y.width, {}};
  for (int round = 1; round <= options.rounds && round - trees.best_rounds_ <= options.patience; ++round) {
    PUNCTUAL_ASSIGN(const auto scores, trees.handle_->Scores(learnt, 0, true));
    gradient.Compute(scores);
    if (XGBoosterBoostOneIter(trees.handle_->booster, learnt.get(), gradient.first().data(), gradient.second().data(),
                              gradient.first().size()) != 0)
      return XgboostFailed("cannot add trees");
    PUNCTUAL_ASSIGN(const auto seen, trees.handle_->Scores(watched, 0, false));
    answers.values.assign(seen.begin(), seen.end());
    ToAnswers(answers, meaning, trees.base_, trees.scale_);
    const double loss = MeanLoss(answers, search.y, meaning, trees.scale_);
    if (loss < least) least = loss, trees.best_rounds_ = round;
  }
  if (trees.best_rounds_ == 0) return Fail(Code::kInternal, "boosted trees: their loss is not a number");
  return trees;
}

Result<Answers> BoostedTrees::Predict(const Rows& rows, int rounds) const {
  Answers answers{base_.size(), {}};
  if (rows.count() == 0) return answers;
  const bool shares = meaning_ == Meaning::kProbabilities;
  PUNCTUAL_ASSIGN(const Matrix matrix, Matrix::Make(rows, shares ? base_ : std::vector<float>(base_.size(), 0)));
  PUNCTUAL_ASSIGN(const auto scores, handle_->Scores(matrix, rounds, false));
  answers.values.assign(scores.begin(), scores.end());
  ToAnswers(answers, meaning_, base_, scale_);
  return answers;
}

Result<Forest> BoostedTrees::Take(int rounds) const {
  char const* text = nullptr;
  bst_ulong length = 0;
  if (XGBoosterSaveModelToBuffer(handle_->booster, "{\"format\":\"json\"}", &length, &text) != 0)
    return XgboostFailed("cannot write its trees");
  Forest forest{inputs_, meaning_, base_, {}};
  PUNCTUAL_ASSIGN(forest.trees, ReadXgboostTrees({text, length}));
  const std::size_t kept = static_cast<std::size_t>(rounds) * base_.size();
  if (forest.trees.size() < kept) return Fail(Code::kInternal, "XGBoost: has fewer trees than it was asked for");
  forest.trees.resize(kept);
  if (meaning_ == Meaning::kNumbers)
    for (Tree& tree : forest.trees)
      for (TreeNode& node : tree.nodes)
        if (node.is_leaf) node.value *= scale_[tree.number];
  return forest;
}

}  // namespace punctual::optimize
