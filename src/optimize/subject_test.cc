#include "optimize/subject.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "optimize/subject_for_test.h"
#include "support/onnx_models.h"

namespace punctual::optimize {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// This program has the native backend alone, so that "openvino" is one that cannot run a file.

TEST(OpenSubjectTest, AModelIsReadyToBeAsked) {
  const ModelOnDisk model(test::LinearModel(2, 3), "[[outputs]]\nname='probabilities'\nclasses=['down','same','up']\n");
  const auto subject = OpenSubject(model.path());
  ASSERT_TRUE(subject.has_value()) << subject.error().message;
  EXPECT_THAT(subject->classes, ElementsAre("down", "same", "up"));
  EXPECT_THAT(subject->backends, ElementsAre("native", "openvino"));
  EXPECT_EQ(subject->reference_backend, "native");
  ASSERT_NE(subject->reference, nullptr);
}

TEST(OpenSubjectTest, ABackendThatTheManifestNamesIsTheOnlyOne) {
  const ModelOnDisk model(test::LinearModel(2, 3), "backend = 'native'\n");
  EXPECT_THAT(OpenSubject(model.path())->backends, ElementsAre("native"));
}

TEST(OpenSubjectTest, WhatAServerWouldRefuseIsRefusedInItsWords) {
  const ModelOnDisk broken("no ONNX");
  EXPECT_THAT(OpenSubject(broken.path()).error().message, HasSubstr("model.onnx"));
}

TEST(CompileTest, EachBackendSaysWhetherItCan) {
  const ModelOnDisk model(test::LinearModel(2, 3));
  const auto subject = OpenSubject(model.path());
  const auto all = CompileByAll(*subject, AutoBackends(), subject->folder.onnx, "fp32");
  ASSERT_EQ(all.size(), 2u);
  EXPECT_NE(all[0].model, nullptr);
  EXPECT_EQ(all[1].model, nullptr);
  EXPECT_THAT(all[1].refusal, HasSubstr("openvino"));
  EXPECT_EQ(CompileByFirst(*subject, subject->folder.onnx, "fp32")->backend, "native");
  EXPECT_TRUE(CompileByFirst(*subject, "no ONNX", "fp32").has_error());
}

}  // namespace
}  // namespace punctual::optimize
