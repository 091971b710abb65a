// For tests: an operator that refuses what it is given, and with which words.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "backend/native/operators/operator_under_test.h"

namespace punctual::native::test {

inline void ExpectError(const OperatorUnderTest& op, const std::vector<Given>& inputs, Code code,
                        const std::string& says) {
  const auto computed = op.Run(inputs);
  ASSERT_TRUE(computed.has_error()) << "expected: " << says;
  EXPECT_EQ(computed.error().code, code);
  EXPECT_THAT(computed.error().message, ::testing::HasSubstr(says));
}

inline void ExpectWrong(const OperatorUnderTest& op, const std::vector<Given>& inputs, const std::string& says) {
  ExpectError(op, inputs, Code::kInvalidArgument, says);
}

}  // namespace punctual::native::test
