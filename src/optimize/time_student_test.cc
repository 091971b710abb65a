#include "optimize/time_student.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "optimize/student_file.h"
#include "optimize/students_for_test.h"

namespace punctual::optimize {
namespace {

std::string PerceptronFile(std::size_t inputs) {
  const Mlp mlp = BeginMlp(inputs, 3, Meaning::kProbabilities, {.hidden = {16}}).value();
  return WriteMlp(mlp, TensorView(inputs), OutputOf(3)).value();
}

TEST(TimeStudentTest, SaysWhatAnAnswerTakes) {
  const auto alone = TimeStudent(PerceptronFile(2), std::nullopt);
  ASSERT_FALSE(alone.has_error()) << alone.error().message;
  EXPECT_GT(alone->typical_us, 0);
  EXPECT_GT(alone->p99_us, 0);
  const auto with_features = TimeStudent(PerceptronFile(2), FeatureSpec{.columns = {"ofi_5", "return_10_bp"}});
  ASSERT_FALSE(with_features.has_error()) << with_features.error().message;
  EXPECT_GT(with_features->typical_us, 0);
}

TEST(TimeStudentTest, TellsWhatCannotRun) {
  EXPECT_TRUE(TimeStudent("no ONNX", std::nullopt).has_error());
  EXPECT_THAT(TimeStudent(PerceptronFile(1), FeatureSpec{.columns = {"no_such_column"}}).error().message,
              ::testing::HasSubstr("no_such_column"));
}

}  // namespace
}  // namespace punctual::optimize
