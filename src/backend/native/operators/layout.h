// The operators that move numbers, which layout.cc puts into a table.
#pragma once

#include "backend/native/operators/operator.h"

namespace punctual::native {

Result<void> InferTranspose(InferContext& context);
Result<void> LowerTranspose(const Node& node, PlanBuilder& builder);
Result<void> InferExpand(InferContext& context);
Result<void> LowerExpand(const Node& node, PlanBuilder& builder);
Result<void> InferTile(InferContext& context);
Result<void> LowerTile(const Node& node, PlanBuilder& builder);
Result<void> InferConcat(InferContext& context);
Result<void> LowerConcat(const Node& node, PlanBuilder& builder);
Result<void> InferSplit(InferContext& context);
Result<void> LowerSplit(const Node& node, PlanBuilder& builder);
Result<void> InferSlice(InferContext& context);
Result<void> LowerSlice(const Node& node, PlanBuilder& builder);
Result<void> InferPad(InferContext& context);
Result<void> LowerPad(const Node& node, PlanBuilder& builder);
Result<void> InferGather(InferContext& context);
Result<void> LowerGather(const Node& node, PlanBuilder& builder);

}  // namespace punctual::native
