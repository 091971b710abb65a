// The types that arithmetic is done in.
#pragma once

#include <cstdint>
#include <initializer_list>

#include "backend/native/graph/element_type.h"

namespace punctual::native {

inline constexpr std::initializer_list<ElementType> kNumbers = {ElementType::kFloat32, ElementType::kFloat64,
                                                                ElementType::kInt32, ElementType::kInt64};

// Calls `f` with a zero of the type that `type` names. REQUIRES: it is one of kNumbers.
template <class F>
void WithNumber(ElementType type, const F& f) {
  switch (type) {
    case ElementType::kFloat32: return f(float{});
    case ElementType::kFloat64: return f(double{});
    case ElementType::kInt32: return f(std::int32_t{});
    case ElementType::kInt64: return f(std::int64_t{});
    default: return;
  }
}

}  // namespace punctual::native
