// For tests: one node computed from given numbers, through infer, lower and a plan of its own.
#pragma once

#include <initializer_list>
#include <memory>
#include <string_view>
#include <vector>

#include "backend/native/graph/graph.h"
#include "punctual/result.h"

namespace punctual::native::test {

using Given = std::shared_ptr<const Constant>;  // null: the input is left out

template <class T>
Given Numbers(Dims dims, const std::vector<T>& values) {
  auto constant = std::make_shared<Constant>(kElementType<T>, std::move(dims));
  std::copy(values.begin(), values.end(), constant->template mutable_values<T>().begin());
  return constant;
}

struct OperatorUnderTest {
  std::string_view type;
  int opset = 17;
  std::string_view domain = "";
  Attributes attributes = {};
  std::size_t outputs = 1;
  // By input: known when the model is loaded. Those beyond its end are not.
  std::vector<bool> is_constant = {};

  // What it computes, an output each; errors of infer, lower or planning.
  Result<std::vector<Given>> Run(const std::vector<Given>& inputs) const;
};

}  // namespace punctual::native::test
