#include "model/input_grid.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "market/random.h"

namespace punctual {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const std::vector<TensorSpec> kBook = {{"book", DType::kFloat32, {1, 2, 3}}};

std::vector<std::int32_t> Cells(const InputGrid& grid, const std::vector<float>& values) {
  std::vector<std::int32_t> cells(grid.CodeBytes(0) / sizeof(std::int32_t));
  EXPECT_TRUE(grid.Encode(0, values, std::as_writable_bytes(std::span(cells))));
  return cells;
}

TEST(InputGridTest, RoundsToTheNearestMultiple) {
  const auto grid = InputGrid::Make({0.5}, kBook).value();
  EXPECT_THAT(Cells(grid, {0, 0.24f, 0.25f, -0.25f, -0.26f, 10}), ElementsAre(0, 0, 1, 0, -1, 20));
  EXPECT_THAT(Cells(grid, {-0.0f, 0.74f, 0.75f, -0.75f, -0.76f, -10}), ElementsAre(0, 1, 2, -1, -2, -20));
}

TEST(InputGridTest, EveryColumnMayHaveItsOwnWidth) {
  const auto grid = InputGrid::Make({1, 0.1, 10}, kBook).value();
  EXPECT_THAT(Cells(grid, {2, 2, 2, -20, -20, -20}), ElementsAre(2, 20, 0, -20, -200, -2));
}

// They would all share the last cell, however far apart they are.
TEST(InputGridTest, ValuesBeyondTheLastCellHaveNone) {
  constexpr float kMax = std::numeric_limits<float>::max();
  for (const std::vector<double>& widths : {std::vector<double>{1}, std::vector<double>{1, 1, 1}}) {
    const auto grid = InputGrid::Make(widths, kBook).value();
    const auto has_cells = [&grid](float value) {
      std::vector<std::byte> cells(grid.CodeBytes(0));
      return grid.Encode(0, std::vector<float>{0, 0, 0, 0, value, 0}, cells);
    };
    for (const float value : {2147483520.f, -2147483648.f, 0.f}) EXPECT_TRUE(has_cells(value)) << value;
    for (const float value : {2147483648.f, -2147484000.f, 3e9f, kMax, -kMax}) EXPECT_FALSE(has_cells(value)) << value;
  }
  const auto finest = InputGrid::Make({1e-300}, kBook).value();
  std::vector<std::byte> cells(finest.CodeBytes(0));
  EXPECT_FALSE(finest.Encode(0, std::vector<float>{0, 0, 0, 0, 0, 1e-45f}, cells));
}

TEST(InputGridTest, IsTheFloorOfItsDefinition) {
  Random random(1);
  for (int round = 0; round < 2000; ++round) {
    const double width = std::exp2(random.Uniform() * 20 - 15);
    const auto grid = InputGrid::Make({width}, kBook).value();
    std::vector<float> values;
    for (int i = 0; i < 6; ++i)
      values.push_back(static_cast<float>(i % 2 == 0 ? random.Uniform() * 8 - 4
                                                     : (static_cast<double>(random.Below(200)) - 100.5) * width));
    const auto cells = Cells(grid, values);
    for (std::size_t i = 0; i < values.size(); ++i)
      ASSERT_EQ(cells[i], static_cast<std::int32_t>(std::floor(values[i] / width + 0.5)));
  }
}

TEST(InputGridTest, EveryInputHasCellsOfItsOwnSize) {
  const std::vector<TensorSpec> two = {{"a", DType::kFloat32, {1, 4}}, {"b", DType::kFloat32, {}}};
  const auto grid = InputGrid::Make({1}, two).value();
  EXPECT_EQ(grid.input_count(), 2u);
  EXPECT_EQ(grid.CodeBytes(0), 16u);
  EXPECT_EQ(grid.CodeBytes(1), 4u);
}

TEST(InputGridTest, MistakesSayWhatIsWrong) {
  const auto error = [](std::vector<double> grid, const std::vector<TensorSpec>& inputs = kBook) {
    return InputGrid::Make(std::move(grid), inputs).error().message;
  };
  EXPECT_THAT(error({}), HasSubstr("has no number"));
  EXPECT_THAT(error({0}), HasSubstr("positive"));
  EXPECT_THAT(error({-1}), HasSubstr("positive"));
  EXPECT_THAT(error({std::nan("")}), HasSubstr("positive"));
  EXPECT_THAT(error({1, INFINITY, 1}), HasSubstr("positive"));
  EXPECT_THAT(error({1, 1}), HasSubstr("has 2 numbers, input \"book\" has 3 columns"));
  EXPECT_THAT(error({1}, {{"count", DType::kInt64, {1, 3}}}), HasSubstr("input \"count\" is not FP32"));
}

}  // namespace
}  // namespace punctual
