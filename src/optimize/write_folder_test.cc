#include "optimize/write_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "optimize/random_samples_for_test.h"
#include "optimize/run_model.h"
#include "optimize/subject_for_test.h"
#include "support/onnx_models.h"

namespace punctual::optimize {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kWidth = 4;

// All files below, by their paths in it, in order.
std::vector<std::string> FilesOf(const std::string& folder) {
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    if (entry.is_regular_file()) files.push_back(std::filesystem::relative(entry.path(), folder));
  std::sort(files.begin(), files.end());
  return files;
}

class WriteFolderTest : public testing::Test {
 protected:
  WriteFolderTest() {
    found_.model = "m";
    found_.version = "1";
    found_.out = model_.path() + "/../made";
    found_.output = "probabilities";
    found_.files = {{"fp32", subject_.folder.onnx.size(), {}}};
    found_.serves = "fp32";
    found_.int8.files = {
        {.method = "mse", .level = {}, .onnx = test::LinearModel(kWidth, 3), .layers = {}, .gate = ""}};
    found_.int8_standing.passed = true;
    found_.student.failure = "none was asked for";
  }

  Answers AnswersTo(const std::vector<std::size_t>& indices) const {
    return RunModel(*subject_.reference, samples_, indices, {.output = "probabilities", .progress = nullptr}).value();
  }

  Result<void> Write(const std::vector<MadeModel>& models) const {
    const std::vector<Answers> answers = {AnswersTo(parts_.fit), AnswersTo(parts_.search), AnswersTo(parts_.held_out)};
    WorkFolder work = model_.work();
    return WriteFolder({.subject = subject_,
                        .samples = samples_,
                        .parts = parts_,
                        .answers = std::span<const Answers, 3>(answers),
                        .models = models,
                        .found = found_,
                        .progress = nullptr},
                       work);
  }

  const ModelOnDisk model_{test::LinearModel(kWidth, 3)};
  Subject subject_ = OpenSubject(model_.path()).value();
  const Samples samples_ = test::RandomSamples("book", {1, kWidth}, 6);
  const Parts parts_{{0, 1}, {2, 3}, {4, 5}};
  Optimization found_;
};

TEST_F(WriteFolderTest, AVariantThatATierAsksForHasAFolderOfItsOwn) {
  const auto written = Write({{"m", "fp32", "# mine\n"}, {"m-int8", "int8", "variant = 'int8'\n# mine\n"}});
  ASSERT_TRUE(written.has_value()) << written.error().message;
  EXPECT_THAT(FilesOf(found_.out), ElementsAre("m-int8/1/int8.onnx", "m-int8/1/model.onnx", "m-int8/1/profile.json",
                                               "m-int8/model.toml", "m/1/int8.onnx", "m/1/model.onnx",
                                               "m/1/profile.json", "m/model.toml", "report.html", "report.json"));
  EXPECT_EQ(ReadWholeFile(found_.out + "/m-int8/model.toml").value(), "variant = 'int8'\n# mine\n");
  EXPECT_EQ(ReadWholeFile(found_.out + "/m-int8/1/int8.onnx").value(), found_.int8.file().onnx);
  EXPECT_EQ(ReadWholeFile(found_.out + "/m/model.toml").value(), "# mine\n");
}

TEST_F(WriteFolderTest, AStudentHasTheVersionAndTheSignalsOfItsModel) {
  subject_.folder.version = "7";
  subject_.folder.signals = "symbol,computed_at_ns,probabilities_0,probabilities_1,probabilities_2\nBTC,1,0,1,0\n";
  found_.student_name = "m-student";
  found_.student.onnx = test::LinearModel(kWidth, 3);
  const auto written = Write({{"m", "fp32", ""}});
  ASSERT_TRUE(written.has_value()) << written.error().message;
  EXPECT_EQ(ReadWholeFile(found_.out + "/m-student/7/model.onnx").value(), found_.student.onnx);
  EXPECT_EQ(ReadWholeFile(found_.out + "/m-student/7/signals.csv").value(), *subject_.folder.signals);
}

TEST_F(WriteFolderTest, WhatAServerWouldRefuseIsNotPublished) {
  found_.int8.files[0].onnx = "no ONNX";
  const auto written = Write({{"m", "fp32", ""}, {"m-int8", "int8", "variant = 'int8'\n"}});
  ASSERT_TRUE(written.has_error());
  EXPECT_THAT(written.error().message, HasSubstr("m-int8/1/int8.onnx"));
  EXPECT_FALSE(std::filesystem::exists(found_.out));
}

}  // namespace
}  // namespace punctual::optimize
