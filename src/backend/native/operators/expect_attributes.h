// Whether a node has only attributes that its operator knows.
#pragma once

#include <initializer_list>
#include <string_view>

#include "backend/native/operators/operator.h"

namespace punctual::native {

enum class AttributeKind { kInt, kFloat, kString, kTensor, kInts, kFloats, kStrings };  // in Attribute's order

struct KnownAttribute {
  std::string_view name;
  AttributeKind kind;
};

// kFailedPrecondition: the node has another attribute, which may mean anything; kInvalidArgument: one of another kind.
Result<void> ExpectAttributes(const InferContext& context, std::initializer_list<KnownAttribute> known);

}  // namespace punctual::native
