#include "optimize/mlp.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>
#include <string>
#include <utility>

#include "market/random.h"

namespace punctual::optimize {
namespace {

constexpr std::size_t kMostWidth = 1024;

Result<void> CheckOptions(const MlpOptions& options) {
  const auto wrong = [](const std::string& what) { return Fail(Code::kInvalidArgument, "perceptron: " + what); };
  if (options.hidden.empty() || options.hidden.size() > 2) return wrong("hidden: must be one or two widths");
  for (const std::size_t width : options.hidden)
    if (width < 1 || width > kMostWidth)
      return wrong("hidden: a width must be from 1 to " + std::to_string(kMostWidth));
  if (options.epochs < 1 || options.epochs > 1000) return wrong("epochs: must be from 1 to 1000");
  if (options.patience < 1) return wrong("patience: must be at least 1");
  if (options.batch < 1 || options.batch > 65'536) return wrong("batch: must be from 1 to 65536");
  if (!(options.learning_rate > 0 && options.learning_rate <= 1)) return wrong("learning_rate: must be above 0, to 1");
  if (!(options.weight_decay >= 0 && options.weight_decay < 1)) return wrong("weight_decay: must be from 0 to below 1");
  return {};
}

std::vector<DenseLayer> FirstWeights(std::size_t inputs, std::size_t outputs, const MlpOptions& options) {
  std::vector<std::size_t> widths = {inputs};
  widths.insert(widths.end(), options.hidden.begin(), options.hidden.end());
  widths.push_back(outputs);
  Random random(options.seed);
  std::vector<DenseLayer> layers;
  for (std::size_t i = 0; i + 1 < widths.size(); ++i) {
    DenseLayer layer{widths[i], widths[i + 1], {}, std::vector<float>(widths[i + 1], 0)};
    // He et al. 2015: numbers stay as large from layer to layer. The last layer begins near nothing.
    const double scale = std::sqrt(2.0 / static_cast<double>(layer.inputs)) * (i + 2 == widths.size() ? 0.1 : 1.0);
    layer.weights.resize(layer.inputs * layer.outputs);
    for (float& weight : layer.weights) weight = static_cast<float>(scale * random.Normal());
    layers.push_back(std::move(layer));
  }
  return layers;
}

void Forward(const DenseLayer& layer, const float* x, bool relu, float* y) {
  std::copy(layer.bias.begin(), layer.bias.end(), y);
  for (std::size_t i = 0; i < layer.inputs; ++i) {
    if (x[i] == 0) continue;  // half of them are, behind a Relu
    const float value = x[i];
    const float* const weights = layer.weights.data() + i * layer.outputs;
    for (std::size_t o = 0; o < layer.outputs; ++o) y[o] += value * weights[o];
  }
  if (relu)
    for (std::size_t o = 0; o < layer.outputs; ++o) y[o] = std::max(y[o], 0.0f);
}

// In eight sums, so that the compiler may use vectors.
float Dot(const float* a, const float* b, std::size_t count) {
  std::array<float, 8> sums{};
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8)
    for (std::size_t lane = 0; lane < 8; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  for (; i < count; ++i) sums[i % 8] += a[i] * b[i];
  return std::accumulate(sums.begin(), sums.end(), 0.0f);
}

// One layer's weights, and what Adam remembers of them.
class AdamLayer {
 public:
  explicit AdamLayer(DenseLayer layer)
      : layer_(std::move(layer)), weights_(layer_.weights.size()), bias_(layer_.bias.size()) {}

  const DenseLayer& layer() const { return layer_; }

  // Adds the gradient of one row: `x` went in, `by_y` is the loss's derivative by what came out. `by_x`: its derivative
  // by what went in, where that is above 0, for behind it lies a Relu; null: nobody asks.
  void Backward(const float* x, const float* by_y, float* by_x) {
    for (std::size_t o = 0; o < layer_.outputs; ++o) bias_[o].gradient += by_y[o];
    for (std::size_t i = 0; i < layer_.inputs; ++i) {
      if (by_x != nullptr) by_x[i] = 0;
      if (x[i] == 0) continue;
      const std::size_t at = i * layer_.outputs;
      float* const gradients = gradients_.data() + at;
      for (std::size_t o = 0; o < layer_.outputs; ++o) gradients[o] += x[i] * by_y[o];
      if (by_x != nullptr) by_x[i] = Dot(layer_.weights.data() + at, by_y, layer_.outputs);
    }
  }

  // `corrections`: 1 - beta^t of both moments. Gradients are sums over `rows`, and nothing afterwards.
  void Step(float rate, float decay, std::size_t rows, std::pair<float, float> corrections) {
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      weights_[i].gradient = gradients_[i];
      Move(layer_.weights[i], weights_[i], rate, decay, rows, corrections);
      gradients_[i] = 0;
    }
    for (std::size_t o = 0; o < bias_.size(); ++o) Move(layer_.bias[o], bias_[o], rate, 0, rows, corrections);
  }

 private:
  static constexpr float kBeta1 = 0.9f, kBeta2 = 0.999f, kEpsilon = 1e-8f;
  struct Moments {
    float gradient = 0, first = 0, second = 0;
  };

  static void Move(float& weight, Moments& moments, float rate, float decay, std::size_t rows,
                   std::pair<float, float> corrections) {
    const float gradient = std::exchange(moments.gradient, 0.0f) / static_cast<float>(rows);
    moments.first += (1 - kBeta1) * (gradient - moments.first);
    moments.second += (1 - kBeta2) * (gradient * gradient - moments.second);
    const float step =
        (moments.first / corrections.first) / (std::sqrt(moments.second / corrections.second) + kEpsilon);
    weight -= rate * (step + decay * weight);
  }

  DenseLayer layer_;
  std::vector<Moments> weights_, bias_;
  std::vector<float> gradients_ = std::vector<float>(layer_.weights.size(), 0);
};

// (x - mean) / deviation; 0 for what is constant.
Rows Standardised(const Rows& rows, const Moments& moments, const std::vector<bool>& is_constant) {
  Rows standardised = rows;
  for (std::size_t i = 0; i < rows.values.size(); ++i) {
    const std::size_t column = i % rows.width;
    standardised.values[i] =
        is_constant[column] ? 0 : (rows.values[i] - moments.mean[column]) / moments.deviation[column];
  }
  return standardised;
}

std::vector<bool> ConstantColumns(const Rows& rows) {
  std::vector<bool> is_constant(rows.width, true);
  for (std::size_t i = rows.width; i < rows.values.size(); ++i)
    if (rows.values[i] != rows.values[i - rows.width]) is_constant[i % rows.width] = false;
  return is_constant;
}

// The first layer takes inputs as they are: W / deviation, b - sum W mean / deviation.
void TakeStandardisingIn(DenseLayer& layer, const Moments& moments, const std::vector<bool>& is_constant) {
  for (std::size_t o = 0; o < layer.outputs; ++o) {
    double bias = static_cast<double>(layer.bias[o]);
    for (std::size_t i = 0; i < layer.inputs; ++i) {
      float& weight = layer.weights[i * layer.outputs + o];
      const double scaled =
          is_constant[i] ? 0 : static_cast<double>(weight) / static_cast<double>(moments.deviation[i]);
      weight = static_cast<float>(scaled);
      bias -= scaled * static_cast<double>(moments.mean[i]);
    }
    layer.bias[o] = static_cast<float>(bias);
  }
}

// Scores were learnt of numbers in units of their deviation from their mean.
void TakeScaleOut(DenseLayer& layer, const Moments& moments) {
  for (std::size_t o = 0; o < layer.outputs; ++o) {
    for (std::size_t i = 0; i < layer.inputs; ++i) layer.weights[i * layer.outputs + o] *= moments.deviation[o];
    layer.bias[o] = layer.bias[o] * moments.deviation[o] + moments.mean[o];
  }
}

class Training {
 public:
  Training(const TrainingSet& fit, const TrainingSet& search, Meaning meaning, const MlpOptions& options)
      : options_(options),
        meaning_(meaning),
        inputs_(MomentsOf(fit.x)),
        answers_(MomentsOf(fit.y)),
        is_constant_(ConstantColumns(fit.x)),
        x_(Standardised(fit.x, inputs_, is_constant_)),
        y_(fit.y),
        search_(search),
        random_(options.seed + 1) {
    std::vector<DenseLayer> layers = FirstWeights(fit.x.width, fit.y.width, options);
    if (meaning_ == Meaning::kProbabilities) layers.back().bias = LogOdds(fit.y);
    for (DenseLayer& layer : layers) layers_.emplace_back(std::move(layer));
    for (const AdamLayer& layer : layers_) {
      outputs_.emplace_back(layer.layer().outputs);
      derivatives_.emplace_back(layer.layer().outputs);
    }
    order_.resize(x_.count());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
  }

  Result<Mlp> Run() {
    Mlp best;
    double least = std::numeric_limits<double>::infinity();
    for (int epoch = 1; epoch <= options_.epochs && epoch - best.epochs <= options_.patience; ++epoch) {
      Epoch();
      Mlp now = Taken(epoch);
      const double loss = MeanLoss(now.Predict(search_.x), search_.y, meaning_, answers_.deviation);
      if (loss < least) least = loss, best = std::move(now);
    }
    if (best.epochs == 0)
      return Fail(Code::kInternal, "perceptron: its loss is not a number; take a smaller learning_rate");
    return best;
  }

 private:
  void Epoch() {
    for (std::size_t i = order_.size(); i > 1; --i) std::swap(order_[i - 1], order_[random_.Below(i)]);
    for (std::size_t begin = 0; begin < order_.size(); begin += options_.batch) {
      const std::size_t end = std::min(begin + options_.batch, order_.size());
      for (std::size_t i = begin; i < end; ++i) Learn(order_[i]);
      Step(end - begin);
    }
  }

  void Learn(std::size_t row) {
    const float* x = x_[row].data();
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      Forward(layers_[i].layer(), x, i + 1 < layers_.size(), outputs_[i].data());
      x = outputs_[i].data();
    }
    // Of both losses the derivative by the scores is what was answered less what is right.
    std::vector<float>& by_scores = derivatives_.back();
    by_scores = outputs_.back();
    if (meaning_ == Meaning::kProbabilities) Softmax(by_scores);
    for (std::size_t k = 0; k < by_scores.size(); ++k)
      by_scores[k] -=
          meaning_ == Meaning::kProbabilities ? y_[row][k] : (y_[row][k] - answers_.mean[k]) / answers_.deviation[k];
    for (std::size_t i = layers_.size(); i-- > 0;)
      layers_[i].Backward(i == 0 ? x_[row].data() : outputs_[i - 1].data(), derivatives_[i].data(),
                          i == 0 ? nullptr : derivatives_[i - 1].data());
  }

  void Step(std::size_t rows) {
    ++steps_;
    const double all = static_cast<double>((order_.size() + options_.batch - 1) / options_.batch) * options_.epochs;
    const double done = static_cast<double>(steps_) / all;
    const double rate = options_.learning_rate * 0.5 * (1 + std::cos(std::numbers::pi * std::min(done, 1.0)));
    const std::pair<float, float> corrections = {static_cast<float>(1 - std::pow(0.9, steps_)),
                                                 static_cast<float>(1 - std::pow(0.999, steps_))};
    for (AdamLayer& layer : layers_)
      layer.Step(static_cast<float>(rate), static_cast<float>(options_.weight_decay), rows, corrections);
  }

  Mlp Taken(int epoch) const {
    Mlp mlp{meaning_, {}, epoch};
    for (const AdamLayer& layer : layers_) mlp.layers.push_back(layer.layer());
    TakeStandardisingIn(mlp.layers.front(), inputs_, is_constant_);
    if (meaning_ == Meaning::kNumbers) TakeScaleOut(mlp.layers.back(), answers_);
    return mlp;
  }

  const MlpOptions& options_;
  const Meaning meaning_;
  const Moments inputs_, answers_;
  const std::vector<bool> is_constant_;
  const Rows x_;
  const Answers& y_;
  const TrainingSet& search_;
  Random random_;
  std::vector<AdamLayer> layers_;
  std::vector<std::vector<float>> outputs_, derivatives_;  // of each layer, of the row at hand
  std::vector<std::size_t> order_;
  std::int64_t steps_ = 0;
};

}  // namespace

Answers Mlp::Predict(const Rows& rows) const {
  Answers answers{layers.back().outputs, {}};
  answers.values.reserve(rows.count() * answers.width);
  std::vector<float> x, y;
  for (std::size_t row = 0; row < rows.count(); ++row) {
    x.assign(rows[row].begin(), rows[row].end());
    for (std::size_t i = 0; i < layers.size(); ++i) {
      y.resize(layers[i].outputs);
      Forward(layers[i], x.data(), i + 1 < layers.size(), y.data());
      std::swap(x, y);
    }
    if (meaning == Meaning::kProbabilities) Softmax(x);
    answers.values.insert(answers.values.end(), x.begin(), x.end());
  }
  return answers;
}

Result<Mlp> BeginMlp(std::size_t inputs, std::size_t outputs, Meaning meaning, const MlpOptions& options) {
  PUNCTUAL_TRY(CheckOptions(options));
  return Mlp{meaning, FirstWeights(inputs, outputs, options), 0};
}

Result<Mlp> TrainMlp(const TrainingSet& fit, const TrainingSet& search, Meaning meaning, const MlpOptions& options) {
  PUNCTUAL_TRY(CheckOptions(options));
  PUNCTUAL_TRY(CheckTrainingSet(fit, meaning));
  if (search.x.count() == 0 || search.x.count() != search.y.count())
    return Fail(Code::kInvalidArgument, "perceptron: there is nothing to watch while it is trained");
  return Training(fit, search, meaning, options).Run();
}

}  // namespace punctual::optimize
