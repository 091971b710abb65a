#include "optimize/student_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "optimize/students_for_test.h"

namespace punctual::optimize {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// scores = (x0 + x1, x1) and no softmax.
Mlp SumMlp() {
  Mlp mlp{Meaning::kNumbers, {}, 1};
  mlp.layers.push_back({2, 2, {1, 0, 1, 1}, {0, 0}});
  mlp.layers.push_back({2, 2, {1, 0, 0, 1}, {0.5f, 0}});
  return mlp;
}

// One stump a number: 1 where x1 < 3, else 2; and 10 or 20 where x0 < -1.
Forest Stumps() {
  const auto stump = [](std::uint32_t feature, float threshold, float low, float high, std::size_t number) {
    Tree tree;
    tree.number = number;
    tree.nodes = {{.is_leaf = false, .feature = feature, .left = 1, .right = 2, .value = threshold},
                  {.value = low},
                  {.value = high}};
    return tree;
  };
  return {2, Meaning::kNumbers, {0.5f, 0}, {stump(1, 3, 1, 2, 0), stump(0, -1, 10, 20, 1)}};
}

TEST(StudentFileTest, FlattensTheInputAndTakesThePartThatIsSeen) {
  StudentView view;
  view.input = {"book", DType::kFloat32, {1, 2, 3}};
  view.seen = {5, 1};
  view.rows.width = 2;
  const Rows rows{6, {0, 10, 0, 0, 0, 1, 0, 20, 0, 0, 0, 2}};
  const TensorSpec output = OutputOf(2);
  EXPECT_THAT(AnswersOfFile(WriteMlp(SumMlp(), view, output).value(), rows).values, ElementsAre(11.5f, 10, 22.5f, 20));
  EXPECT_THAT(AnswersOfFile(WriteForest(Stumps(), view, output).value(), rows).values, ElementsAre(2.5f, 20, 2.5f, 20));
}

TEST(StudentFileTest, HasTheModelsOutput) {
  const Rows row{2, {-2, 2}};
  for (const Shape& shape : {Shape{1, 2}, Shape{1, 2, 1}, Shape{1, 1, 2}}) {
    const TensorSpec output = {"risk", DType::kFloat32, shape};
    for (const std::string& onnx :
         {WriteMlp(SumMlp(), TensorView(2), output).value(), WriteForest(Stumps(), TensorView(2), output).value()}) {
      const auto compiled = FindBackend("native").value()->Compile({onnx, "the student", "fp32", "CPU"});
      ASSERT_FALSE(compiled.has_error()) << compiled.error().message;
      const TensorSpec& got = compiled.value()->signature().outputs.at(0);
      EXPECT_EQ(got.name, "risk");
      EXPECT_EQ(got.shape, shape);
      EXPECT_EQ(compiled.value()->signature().inputs.at(0).name, "book");
    }
    EXPECT_THAT(AnswersOfFile(WriteForest(Stumps(), TensorView(2), output).value(), row).values, ElementsAre(1.5f, 10));
  }
}

TEST(StudentFileTest, BranchesAreStrictAndMissingNumbersGoWhereTheTreeSays) {
  Forest forest = Stumps();
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Rows rows{2, {-1, 3, nan, nan}};
  EXPECT_THAT(AnswersOfFile(WriteForest(forest, TensorView(2), OutputOf(2)).value(), rows).values,
              ElementsAre(2.5f, 20, 2.5f, 20));
  for (Tree& tree : forest.trees) tree.nodes[0].nan_goes_left = true;
  EXPECT_THAT(AnswersOfFile(WriteForest(forest, TensorView(2), OutputOf(2)).value(), rows).values,
              ElementsAre(2.5f, 20, 1.5f, 10));
}

TEST(StudentFileTest, OutputsThatDoNotFitAreRefused) {
  EXPECT_THAT(WriteMlp(SumMlp(), TensorView(2), OutputOf(3)).error().message, HasSubstr("[1,3]; it must be FP32"));
  EXPECT_THAT(WriteForest(Stumps(), TensorView(2), {"y", DType::kFloat64, {1, 2}}).error().message, HasSubstr("FP64"));
  EXPECT_THAT(WriteForest(Stumps(), TensorView(2), {"y", DType::kFloat32, {2, 1}}).error().message,
              HasSubstr("batch of 1"));
}

}  // namespace
}  // namespace punctual::optimize
