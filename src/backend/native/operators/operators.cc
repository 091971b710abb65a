#include "backend/native/operators/operator.h"

#include <algorithm>
#include <vector>

#include "backend/native/operators/families.h"

namespace punctual::native {

namespace {

std::vector<Operator> Collect() {
  std::vector<Operator> all;
  for (const auto family :
       {ElementwiseOperators(), ActivationOperators(), SoftmaxOperators(), MatmulOperators(), ConvolutionOperators(),
        PoolingOperators(), NormalizationOperators(), RecurrentOperators(), ShapeOperators(), LayoutOperators(),
        ReductionOperators(), CastOperators(), QuantizationOperators(), TreesOperators(), PreprocessingOperators()})
    all.insert(all.end(), family.begin(), family.end());
  return all;
}

}  // namespace

std::span<const Operator> AllOperators() {
  static const std::vector<Operator> all = Collect();
  return all;
}

const Operator* FindOperator(std::string_view domain, std::string_view type, int opset) {
  for (const Operator& op : AllOperators())
    if (op.domain == domain && op.type == type && op.since <= opset && opset <= op.until) return &op;
  return nullptr;
}

bool Broadcast(const Dims& a, const Dims& b, Dims& result) {
  const std::size_t rank = std::max(a.size(), b.size());
  result.assign(rank, 1);
  for (std::size_t i = 0; i < rank; ++i) {
    const std::int64_t of_a = i < a.size() ? a[a.size() - 1 - i] : 1;
    const std::int64_t of_b = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (of_a != of_b && of_a != 1 && of_b != 1) return false;
    result[rank - 1 - i] = of_a == 1 ? of_b : of_a;
  }
  return true;
}

}  // namespace punctual::native
