#include "optimize/take_int8.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "optimize/random_samples_for_test.h"
#include "optimize/run_model.h"
#include "optimize/subject_for_test.h"
#include "support/onnx_models.h"

namespace punctual::optimize {
namespace {

using ::testing::HasSubstr;

constexpr std::int64_t kInputs = 6, kClasses = 3;

// A model, and files that answer as it does or otherwise; what they are made of does not matter.
class TakeInt8Test : public testing::Test {
 protected:
  static Int8File Good() { return {.onnx = test::LinearModel(kInputs, kClasses, 4)}; }
  static Int8File Bad() { return {.onnx = test::LinearModel(kInputs, kClasses, -4)}; }

  Int8Search Taken(std::vector<Int8File> files) const {
    Int8Search search{.files = std::move(files)};
    const JudgeRequest request{
        .subject = subject_, .samples = samples_, .held_out = indices_, .reference = reference_, .progress = nullptr};
    const auto taken = TakeInt8(request, {0.1, "--max-accuracy-drop"}, search);
    EXPECT_TRUE(taken.has_value()) << taken.error().message;
    return search;
  }

 private:
  const ModelOnDisk model_{Good().onnx};
  const Subject subject_ = OpenSubject(model_.path()).value();
  const Samples samples_ = test::RandomSamples("book", {1, kInputs}, 500);
  const std::vector<std::size_t> indices_ = test::All(samples_);
  const Answers reference_ = RunModel(*subject_.reference, samples_, indices_).value();
};

TEST_F(TakeInt8Test, TheLastThatPassesBeforeTheFirstThatDoesNotIsTaken) {
  const Int8Search search = Taken({Good(), Good(), Bad(), Good()});
  EXPECT_EQ(search.taken, 1u);
  EXPECT_THAT(search.files[0].gate, HasSubstr("is within --max-accuracy-drop"));
  EXPECT_THAT(search.files[1].gate, HasSubstr("is within --max-accuracy-drop"));
  EXPECT_THAT(search.files[2].gate, HasSubstr("fails --max-accuracy-drop"));
  EXPECT_TRUE(search.files[1].passed);
  EXPECT_FALSE(search.files[2].passed);
  EXPECT_EQ(search.files[3].gate, "") << "nothing is judged behind one that did not pass";
}

TEST_F(TakeInt8Test, AFileWhoseAnswersAreNotFiniteDoesNotPass) {
  const Int8Search search =
      Taken({Good(), {.onnx = test::LinearModel(kInputs, kClasses, std::numeric_limits<float>::max())}});
  EXPECT_EQ(search.taken, 0u);
  EXPECT_FALSE(search.files[1].passed);
  EXPECT_THAT(search.files[1].gate, HasSubstr("finite"));
}

TEST_F(TakeInt8Test, WhereAllPassTheLastIsTaken) { EXPECT_EQ(Taken({Good(), Good()}).taken, 1u); }

TEST_F(TakeInt8Test, WhereTheFirstDoesNotPassItIsTheOneThatIsReported) {
  const Int8Search search = Taken({Bad(), Good()});
  EXPECT_EQ(search.taken, 0u);
  EXPECT_THAT(search.files[0].gate, HasSubstr("fails"));
  EXPECT_EQ(search.files[1].gate, "");
}

}  // namespace
}  // namespace punctual::optimize
