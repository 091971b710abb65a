// What scikit-learn does before and after its models: Scaler, Normalizer, ZipMap.
#include <algorithm>
#include <cmath>
#include <limits>

#include "backend/native/operators/families.h"
#include "backend/native/operators/numbers.h"
#include "backend/native/plan/plan_builder.h"

namespace punctual::native {

namespace {

std::size_t LastOf(const Dims& dims) { return dims.empty() ? 1 : static_cast<std::size_t>(dims.back()); }

// Scaler: y = (x - offset) * scale, by the last dimension.

Result<void> InferScaler(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(1, 1));
  PUNCTUAL_TRY(context.ExpectType(0, kNumbers));
  const std::size_t features = LastOf(context.input(0).dims);
  for (const char* const name : {"offset", "scale"}) {
    const auto* values = context.node().Floats(name);
    if (values == nullptr) return context.Wrong("attribute " + std::string(name) + " is missing");
    if (values->size() != 1 && values->size() != features)
      return context.Wrong("attribute " + std::string(name) + " has " + std::to_string(values->size()) +
                           " numbers, it must have 1 or " + std::to_string(features));
  }
  return context.SetOutput(0, ElementType::kFloat32, context.input(0).dims);
}

template <class T>
class ScalerStep final : public Step {
 public:
  ScalerStep(Operand x, Operand y, std::size_t rows, std::span<const float> offset, std::span<const float> scale)
      : x_(x), y_(y), rows_(rows), offset_(offset), scale_(scale) {}
  void Run(std::byte* arena) const override {
    const T* x = x_.In<T>(arena);
    float* y = y_.Out<float>(arena);
    const std::size_t features = offset_.size();
    for (std::size_t row = 0; row < rows_; ++row, x += features, y += features)
      for (std::size_t i = 0; i < features; ++i) y[i] = (static_cast<float>(x[i]) - offset_[i]) * scale_[i];
  }

 private:
  Operand x_, y_;
  std::size_t rows_;
  std::span<const float> offset_, scale_;  // a number for each feature
};

Result<void> LowerScaler(const Node& node, PlanBuilder& builder) {
  const Value& x = builder.value(node.inputs[0]);
  const std::size_t features = LastOf(x.dims);
  const auto repeated = [&](const char* name) -> Result<std::span<const float>> {
    const auto& values = *node.Floats(name);
    PUNCTUAL_ASSIGN(const auto kept, builder.KeepMany<float>(features));
    for (std::size_t i = 0; i < features; ++i) kept[i] = values[values.size() == 1 ? 0 : i];
    return std::span<const float>(kept);
  };
  PUNCTUAL_ASSIGN(const auto offset, repeated("offset"));
  PUNCTUAL_ASSIGN(const auto scale, repeated("scale"));
  const std::size_t rows = features == 0 ? 0 : CountOf(x.dims) / features;
  WithNumber(x.type, [&](auto number) {
    builder.Add<ScalerStep<decltype(number)>>(node, builder.OperandOf(node.inputs[0]),
                                              builder.OperandOf(node.outputs[0]), rows, offset, scale);
  });
  return {};
}

// Normalizer: each row divided by its norm.

enum class Norm { kMax, kL1, kL2 };

Result<Norm> NormOf(const Node& node) {
  const std::string norm = node.String("norm", "MAX");
  if (norm == "MAX") return Norm::kMax;
  if (norm == "L1") return Norm::kL1;
  if (norm == "L2") return Norm::kL2;
  return Fail(Code::kFailedPrecondition, "norm = \"" + norm + "\"; supported: MAX, L1, L2");
}

Result<void> InferNormalizer(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(1, 1));
  PUNCTUAL_TRY(context.ExpectType(0, kNumbers));
  if (const auto norm = NormOf(context.node()); norm.has_error()) return context.Unsupported(norm.error().message);
  const Dims& dims = context.input(0).dims;
  if (dims.empty() || dims.size() > 2)
    return context.Wrong("input of shape " + ShapeText(dims) + ", it must be [features] or [rows, features]");
  return context.SetOutput(0, ElementType::kFloat32, dims);
}

template <class T>
class NormalizerStep final : public Step {
 public:
  NormalizerStep(Norm norm, Operand x, Operand y, std::size_t rows, std::size_t features)
      : norm_(norm), x_(x), y_(y), rows_(rows), features_(features) {}
  void Run(std::byte* arena) const override {
    const T* x = x_.In<T>(arena);
    float* y = y_.Out<float>(arena);
    for (std::size_t row = 0; row < rows_; ++row, x += features_, y += features_) {
      const float size = SizeOfRow(x);
      // Rows without a size stay as they are.
      for (std::size_t i = 0; i < features_; ++i)
        y[i] = size == 0 ? static_cast<float>(x[i]) : static_cast<float>(x[i]) / size;
    }
  }

 private:
  float SizeOfRow(const T* x) const {
    if (norm_ == Norm::kMax) {
      float most = -std::numeric_limits<float>::infinity();
      for (std::size_t i = 0; i < features_; ++i) most = std::max(most, static_cast<float>(x[i]));
      return most;
    }
    // In double: a sum of squares need not fit a float.
    double sum = 0;
    for (std::size_t i = 0; i < features_; ++i) {
      const auto number = static_cast<double>(x[i]);
      sum += norm_ == Norm::kL1 ? std::abs(number) : number * number;
    }
    return static_cast<float>(norm_ == Norm::kL1 ? sum : std::sqrt(sum));
  }

  Norm norm_;
  Operand x_, y_;
  std::size_t rows_, features_;
};

Result<void> LowerNormalizer(const Node& node, PlanBuilder& builder) {
  const Value& x = builder.value(node.inputs[0]);
  PUNCTUAL_ASSIGN(const Norm norm, NormOf(node));
  const std::size_t features = LastOf(x.dims);
  const std::size_t rows = features == 0 ? 0 : CountOf(x.dims) / features;
  WithNumber(x.type, [&](auto number) {
    builder.Add<NormalizerStep<decltype(number)>>(node, norm, builder.OperandOf(node.inputs[0]),
                                                  builder.OperandOf(node.outputs[0]), rows, features);
  });
  return {};
}

// ZipMap gives probabilities names, as a sequence of maps. Who asks a server wants the numbers, in the classes' order.

Result<void> InferZipMap(InferContext& context) {
  PUNCTUAL_TRY(context.ExpectInputs(1, 1));
  PUNCTUAL_TRY(context.ExpectType(0, {ElementType::kFloat32}));
  const std::size_t classes = LastOf(context.input(0).dims);
  const auto* numbers = context.node().Ints("classlabels_int64s");
  const auto* names = context.node().Strings("classlabels_strings");
  const std::size_t named = numbers != nullptr ? numbers->size() : names != nullptr ? names->size() : classes;
  if (named != classes)
    return context.Wrong("names " + std::to_string(named) + " classes of " + std::to_string(classes));
  return context.SetOutput(0, ElementType::kFloat32, context.input(0).dims);
}

Result<void> LowerZipMap(const Node& node, PlanBuilder& builder) {
  builder.Alias(node.outputs[0], node.inputs[0]);
  return {};
}

using enum AttributeKind;

constexpr KnownAttribute kOfScaler[] = {{"offset", kFloats}, {"scale", kFloats}};
constexpr KnownAttribute kOfNormalizer[] = {{"norm", kString}};
constexpr KnownAttribute kOfZipMap[] = {{"classlabels_int64s", kInts}, {"classlabels_strings", kStrings}};

constexpr Operator kOperators[] = {
    {"ai.onnx.ml", "Scaler", 1, kLatest, InferScaler, LowerScaler, kOfScaler},
    {"ai.onnx.ml", "Normalizer", 1, kLatest, InferNormalizer, LowerNormalizer, kOfNormalizer},
    {"ai.onnx.ml", "ZipMap", 1, kLatest, InferZipMap, LowerZipMap, kOfZipMap},
};

}  // namespace

std::span<const Operator> PreprocessingOperators() { return kOperators; }

}  // namespace punctual::native
