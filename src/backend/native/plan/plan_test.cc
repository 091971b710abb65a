#include "backend/native/plan/plan.h"

#include <gtest/gtest.h>

#include <cstring>

#include "backend/native/operators/operator.h"
#include "backend/native/passes/passes.h"
#include "backend/native/plan/plan_builder.h"

namespace punctual::native {
namespace {

// y = x + 1, number by number.
class AddOne final : public Step {
 public:
  AddOne(Operand from, Operand to, std::size_t count) : from_(from), to_(to), count_(count) {}
  void Run(std::byte* arena) const override {
    const float* const from = from_.In<float>(arena);
    float* const to = to_.Out<float>(arena);
    for (std::size_t i = 0; i < count_; ++i) to[i] = from[i] + 1;
  }

 private:
  Operand from_, to_;
  std::size_t count_;
};

Result<void> InferSame(InferContext& context) {
  return context.SetOutput(0, context.input(0).type, context.input(0).dims);
}

Result<void> LowerAddOne(const Node& node, PlanBuilder& builder) {
  builder.Add<AddOne>(node, builder.OperandOf(node.inputs[0]), builder.OperandOf(node.outputs[0]),
                      CountOf(builder.value(node.outputs[0]).dims));
  return {};
}

Result<void> LowerSame(const Node& node, PlanBuilder& builder) {
  builder.Alias(node.outputs[0], node.inputs[0]);
  return {};
}

const Operator kAddOne{"test", "AddOne", 1, 1, InferSame, LowerAddOne};
const Operator kSame{"test", "Same", 1, 1, InferSame, LowerSame};

class PlanTest : public ::testing::Test {
 protected:
  ValueId NewValue(const char* name) { return graph_.Add({name, ElementType::kFloat32, {100}, nullptr}); }
  ValueId Apply(const Operator& op, ValueId input, const char* name) {
    const ValueId output = NewValue(name);
    Node& node = graph_.nodes.emplace_back();
    node.op = &op;
    node.inputs = {input};
    node.outputs = {output};
    return output;
  }
  static float First(std::span<const std::byte> bytes) {
    float first = 0;
    std::memcpy(&first, bytes.data(), sizeof(first));
    return first;
  }

  Graph graph_;
};

TEST_F(PlanTest, RunsTheStepsInOrderThroughAliases) {
  ValueId at = NewValue("x");
  graph_.inputs = {at};
  for (int i = 0; i < 10; ++i) at = Apply(i % 3 == 2 ? kSame : kAddOne, at, "v");
  graph_.outputs = {at};
  const auto plan = Plan::Make(graph_).value();
  EXPECT_EQ(plan->step_count(), 7u);
  // Input and two in turn: room is given away in between, but the input's is not.
  EXPECT_EQ(plan->arena_bytes(), 3 * (448u + 64u));
  Arena arena(plan->arena_bytes());
  for (int run = 0; run < 2; ++run) plan->Run(arena);  // the input is still there the second time
  EXPECT_EQ(First(plan->output(0, arena)), 7.0f);
}

TEST_F(PlanTest, AnOutputMayBeAnInputOrAConstant) {
  const ValueId x = NewValue("x");
  const ValueId c = NewValue("c");
  auto constant = std::make_shared<Constant>(ElementType::kFloat32, Dims{100});
  constant->mutable_values<float>()[0] = 5;
  graph_.values[c].constant = constant;
  graph_.inputs = {x};
  graph_.outputs = {Apply(kSame, x, "same"), c, Apply(kSame, c, "also c")};
  const auto plan = Plan::Make(graph_).value();
  Arena arena(plan->arena_bytes());
  const float three = 3;
  std::memcpy(plan->input(0, arena).data(), &three, sizeof(three));
  plan->Run(arena);
  EXPECT_EQ(First(plan->output(0, arena)), 3.0f);
  EXPECT_EQ(First(plan->output(1, arena)), 5.0f);
  EXPECT_EQ(First(plan->output(2, arena)), 5.0f);
}

TEST_F(PlanTest, WhatTakesTooMuchRoomIsRefused) {
  const ValueId x = NewValue("x");
  graph_.inputs = {x};
  graph_.outputs = {Apply(kAddOne, x, "y")};
  Limits limits;
  limits.max_arena_bytes = 600;
  EXPECT_EQ(Plan::Make(graph_, limits).error().code, Code::kInvalidArgument);
}

Result<void> LowerKeeping(const Node& node, PlanBuilder& builder) {
  PUNCTUAL_ASSIGN(const auto kept, builder.KeepMany<float>(100));
  kept[99] = 1;
  return LowerAddOne(node, builder);
}

const Operator kKeeping{"test", "Keeping", 1, 1, InferSame, LowerKeeping};

TEST_F(PlanTest, StepsThatKeepTooMuchAreRefusedAllTogether) {
  const ValueId x = NewValue("x");
  graph_.inputs = {x};
  graph_.outputs = {Apply(kKeeping, Apply(kKeeping, x, "y"), "z")};
  Limits limits;
  limits.max_kept_bytes = 800;
  EXPECT_TRUE(Plan::Make(graph_, limits).has_value());
  limits.max_kept_bytes = 799;
  EXPECT_EQ(Plan::Make(graph_, limits).error().code, Code::kInvalidArgument);
}

TEST_F(PlanTest, AShapeThatANodeDoesNotComputeIsRefused) {
  const ValueId x = NewValue("x");
  graph_.inputs = {x};
  graph_.outputs = {Apply(kAddOne, x, "y")};
  graph_.values[graph_.outputs[0]].dims = {99};
  EXPECT_EQ(Plan::Make(graph_).error().code, Code::kInternal);
}

TEST_F(PlanTest, FoldingMakesConstantsOfConstants) {
  const ValueId c = NewValue("c");
  graph_.values[c].constant = std::make_shared<Constant>(ElementType::kFloat32, Dims{100});
  const ValueId x = NewValue("x");
  const ValueId one = Apply(kAddOne, c, "one");
  graph_.inputs = {x};
  graph_.outputs = {Apply(kAddOne, one, "two"), Apply(kAddOne, x, "y")};
  Apply(kAddOne, x, "read by nobody");
  FoldingBounds bounds;
  for (const Node& node : graph_.nodes) ASSERT_TRUE(FoldNode(graph_, node, bounds).has_value());
  ASSERT_NE(graph_.values[one].constant, nullptr);
  EXPECT_EQ(graph_.values[graph_.outputs[0]].constant->values<float>()[99], 2.0f);
  EXPECT_EQ(graph_.values[graph_.outputs[1]].constant, nullptr);
  DropUnused(graph_);
  EXPECT_EQ(graph_.nodes.size(), 1u);
}

TEST_F(PlanTest, WhatTakesTooLongToFoldIsLeftToARun) {
  const ValueId c = NewValue("c");
  graph_.values[c].constant = std::make_shared<Constant>(ElementType::kFloat32, Dims{100});
  const ValueId one = Apply(kAddOne, c, "one"), two = Apply(kAddOne, one, "two");
  FoldingBounds bounds;
  bounds.work_left = 250;  // 100 numbers are read, and 100 written
  for (const Node& node : graph_.nodes) ASSERT_TRUE(FoldNode(graph_, node, bounds).has_value());
  EXPECT_NE(graph_.values[one].constant, nullptr);
  EXPECT_EQ(graph_.values[two].constant, nullptr);
}

}  // namespace
}  // namespace punctual::native
