#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>

#include "backend/native/operators/dense_step.h"
#include "backend/native/operators/operator.h"
#include "backend/native/operators/operator_under_test.h"

namespace punctual::native {
namespace {

using test::Given;
using test::Numbers;
using test::OperatorUnderTest;

Given Random(Dims dims) {
  static std::mt19937 random(11);
  std::normal_distribution<float> normal;
  std::vector<float> values(CountOf(dims));
  std::generate(values.begin(), values.end(), [&] { return normal(random); });
  return Numbers<float>(std::move(dims), values);
}

void ExpectNear(const Constant& computed, const Dims& dims, const std::vector<double>& expected) {
  ASSERT_EQ(computed.dims(), dims);
  for (std::size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(static_cast<double>(computed.values<float>()[i]), expected[i], 2e-5) << i;
}

struct GemmCase {
  std::int64_t m, k, n;
  bool turns_a, turns_b;
  float alpha, beta;
  Dims c;  // {-1}: none
  std::vector<bool> is_constant;
};

std::vector<double> GemmReference(const GemmCase& g, const Constant& a, const Constant& b, const Constant* c) {
  std::vector<double> out;
  const auto at = [](const Constant& x, std::int64_t row, std::int64_t column) {
    return static_cast<double>(x.values<float>()[static_cast<std::size_t>(row * x.dims()[1] + column)]);
  };
  for (std::int64_t i = 0; i < g.m; ++i) {
    for (std::int64_t j = 0; j < g.n; ++j) {
      double sum = 0;
      for (std::int64_t k = 0; k < g.k; ++k)
        sum += (g.turns_a ? at(a, k, i) : at(a, i, k)) * (g.turns_b ? at(b, j, k) : at(b, k, j));
      sum *= static_cast<double>(g.alpha);
      if (c != nullptr) {
        const Dims& dims = c->dims();
        const std::int64_t column = !dims.empty() && dims.back() > 1 ? j : 0;
        const std::int64_t row = dims.size() > 1 && dims[0] > 1 ? i * dims[1] : 0;
        sum += static_cast<double>(g.beta) *
               static_cast<double>(c->values<float>()[static_cast<std::size_t>(row + column)]);
      }
      out.push_back(sum);
    }
  }
  return out;
}

TEST(MatmulTest, GemmTurnsScalesAndBroadcasts) {
  for (const bool turns_a : {false, true})
    for (const bool turns_b : {false, true})
      for (const float alpha : {1.0f, 0.5f})
        for (const Dims& c : {Dims{-1}, Dims{}, Dims{1}, Dims{19}, Dims{1, 19}, Dims{5, 1}, Dims{5, 19}})
          for (const std::vector<bool>& is_constant :
               {std::vector<bool>{}, {false, true, true}, {false, true}, {true, false, true}}) {
            const GemmCase g{5, 7, 19, turns_a, turns_b, alpha, 2, c, is_constant};
            SCOPED_TRACE(ShapeText(c));
            const Given a = Random(turns_a ? Dims{7, 5} : Dims{5, 7});
            const Given b = Random(turns_b ? Dims{19, 7} : Dims{7, 19});
            const bool has_c = c != Dims{-1};
            std::vector<Given> inputs{a, b};
            if (has_c) inputs.push_back(Random(c));
            const OperatorUnderTest gemm{.type = "Gemm",
                                         .attributes = {{"transA", std::int64_t{turns_a}},
                                                        {"transB", std::int64_t{turns_b}},
                                                        {"alpha", alpha},
                                                        {"beta", 2.0f}},
                                         .is_constant = is_constant};
            const auto out = gemm.Run(inputs).value();
            ExpectNear(*out[0], {5, 19}, GemmReference(g, *a, *b, has_c ? inputs[2].get() : nullptr));
          }
}

TEST(MatmulTest, GemmRefusesWhatDoesNotFit) {
  const OperatorUnderTest gemm{.type = "Gemm"};
  EXPECT_EQ(gemm.Run({Random({2, 3}), Random({4, 5})}).error().code, Code::kInvalidArgument);
  EXPECT_EQ(gemm.Run({Random({2, 3, 1}), Random({3, 5})}).error().code, Code::kInvalidArgument);
  EXPECT_EQ(gemm.Run({Random({2, 3}), Random({3, 5}), Random({3, 5})}).error().code, Code::kInvalidArgument);
  EXPECT_EQ(gemm.Run({Random({2, 3}), Random({3, 5}), Random({2, 5, 1})}).error().code, Code::kInvalidArgument);
}

struct MatMulCase {
  Dims a, b, out;
};

// By the definition of numpy.matmul: walks the output and finds the matrices by broadcasting.
std::vector<double> MatMulReference(const MatMulCase& shapes, const Constant& a, const Constant& b) {
  Dims a_dims = a.dims(), b_dims = b.dims(), out = shapes.out;
  if (a_dims.size() == 1) {
    a_dims.insert(a_dims.begin(), 1);
    out.insert(out.end() - (b_dims.size() > 1 ? 1 : 0), 1);
  }
  if (b_dims.size() == 1) {
    b_dims.push_back(1);
    out.push_back(1);
  }
  const std::size_t k = static_cast<std::size_t>(a_dims.back());
  std::vector<double> all;
  Dims at(out.size(), 0);
  for (std::size_t i = 0; i < CountOf(out); ++i) {
    const auto index = [&](const Dims& dims, std::size_t row, std::size_t column) {
      std::size_t flat = 0;
      for (std::size_t axis = 0; axis + 2 < dims.size(); ++axis) {
        const std::size_t place = static_cast<std::size_t>(at[out.size() - dims.size() + axis]);
        flat = flat * static_cast<std::size_t>(dims[axis]) + (dims[axis] == 1 ? 0 : place);
      }
      flat = flat * static_cast<std::size_t>(dims[dims.size() - 2]) + row;
      return flat * static_cast<std::size_t>(dims.back()) + column;
    };
    double sum = 0;
    for (std::size_t j = 0; j < k; ++j)
      sum += static_cast<double>(a.values<float>()[index(a_dims, static_cast<std::size_t>(at[out.size() - 2]), j)]) *
             static_cast<double>(b.values<float>()[index(b_dims, j, static_cast<std::size_t>(at.back()))]);
    all.push_back(sum);
    for (std::size_t axis = out.size(); axis-- > 0;) {
      if (++at[axis] < out[axis]) break;
      at[axis] = 0;
    }
  }
  return all;
}

TEST(MatmulTest, MatMulTakesAnyRanks) {
  for (const MatMulCase& shapes : {MatMulCase{{3, 4}, {4, 5}, {3, 5}},
                                   {{4}, {4, 5}, {5}},
                                   {{3, 4}, {4}, {3}},
                                   {{4}, {4}, {}},
                                   {{2, 9, 4}, {4, 35}, {2, 9, 35}},
                                   {{2, 3, 9, 4}, {2, 3, 4, 9}, {2, 3, 9, 9}},
                                   {{2, 1, 9, 4}, {3, 4, 17}, {2, 3, 9, 17}},
                                   {{9, 4}, {2, 4, 1}, {2, 9, 1}},
                                   {{2, 3, 4}, {4}, {2, 3}},
                                   {{4}, {2, 4, 3}, {2, 3}}}) {
    SCOPED_TRACE(ShapeText(shapes.a) + " x " + ShapeText(shapes.b));
    for (const std::vector<bool>& is_constant : {std::vector<bool>{}, {false, true}, {true, false}}) {
      const Given a = Random(shapes.a), b = Random(shapes.b);
      const auto out = OperatorUnderTest{.type = "MatMul", .is_constant = is_constant}.Run({a, b}).value();
      ExpectNear(*out[0], shapes.out, MatMulReference(shapes, *a, *b));
    }
  }
}

TEST(MatmulTest, MatMulRefusesWhatDoesNotFit) {
  const OperatorUnderTest matmul{.type = "MatMul"};
  for (const auto& [a, b] : {std::pair{Dims{2, 3}, Dims{4, 5}}, {Dims{2, 3, 4}, Dims{3, 4, 5}}, {Dims{}, Dims{3}}})
    EXPECT_EQ(matmul.Run({Random(a), Random(b)}).error().code, Code::kInvalidArgument);
}

TEST(MatmulTest, DenseIsMatMulWithWhatFollowsIt) {
  const Given x = Random({2, 7, 6}), w = Random({6, 20}), b = Random({20}), residual = Random({2, 7, 20});
  OperatorUnderTest dense{.type = "Dense", .opset = 1, .domain = "punctual", .is_constant = {false, true, true}};
  dense.attributes = {{"first", static_cast<std::int64_t>(Activation::kTanh)},
                      {"second", static_cast<std::int64_t>(Activation::kRelu)}};
  const auto out = dense.Run({x, w, b, residual}).value();
  auto expected = MatMulReference({{}, {}, {2, 7, 20}}, *x, *w);
  for (std::size_t i = 0; i < expected.size(); ++i)
    expected[i] = std::max(0.0, std::tanh(expected[i] + static_cast<double>(b->values<float>()[i % 20])) +
                                    static_cast<double>(residual->values<float>()[i]));
  ExpectNear(*out[0], {2, 7, 20}, expected);
}

TEST(MatmulTest, ProductsOfNothingAreEmptyOrZero) {
  for (const char* const type : {"MatMul", "Gemm"}) {
    OperatorUnderTest op{.type = type};
    for (const Dims& sizes : {Dims{0, 3, 4}, Dims{2, 3, 0}, Dims{2, 0, 4}}) {
      const auto computed = op.Run({Random({sizes[0], sizes[1]}), Random({sizes[1], sizes[2]})}).value();
      ExpectNear(*computed[0], {sizes[0], sizes[2]}, std::vector<double>(CountOf({sizes[0], sizes[2]}), 0));
    }
  }
}

// As a batch of it does, which leaves no zeros out.
TEST(MatmulTest, ZerosAreNotLeftOutWhereAWeightIsInfinite) {
  constexpr std::int64_t kDepth = 256, kOutputs = 512;
  const Given weights = Random({kDepth, kOutputs});
  auto infinite = std::make_shared<Constant>(ElementType::kFloat32, weights->dims());
  std::copy(weights->bytes().begin(), weights->bytes().end(), infinite->mutable_bytes().begin());
  infinite->mutable_values<float>()[7 * kOutputs + 3] = std::numeric_limits<float>::infinity();
  OperatorUnderTest op{.type = "Dense", .opset = 1, .domain = "punctual", .is_constant = {false, true}};
  op.attributes = {{"has_many_zeros", std::int64_t{1}}};
  const Given x = Numbers<float>({1, kDepth}, std::vector<float>(kDepth, 0));
  EXPECT_EQ(op.Run({x, weights}).value()[0]->values<float>()[3], 0.0f);
  EXPECT_TRUE(std::isnan(op.Run({x, infinite}).value()[0]->values<float>()[3]));
}

}  // namespace
}  // namespace punctual::native
