#include "optimize/xgboost_model.h"

#include <simdjson.h>

#include <charconv>
#include <cstdint>
#include <string>

namespace punctual::optimize {
namespace {

namespace ondemand = simdjson::ondemand;

Error NotUnderstood(const std::string& what) {
  return Fail(Code::kInternal, "XGBoost: its trees cannot be read: " + what);
}

// A number as XGBoost wrote it: the shortest decimal that is this very float again.
template <class Number>
bool Parse(std::string_view token, Number& number) {
  while (!token.empty() && (token.back() == ' ' || token.back() == '\n')) token.remove_suffix(1);
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), number);
  return error == std::errc() && end == token.data() + token.size();
}

template <class Number>
Result<std::vector<Number>> Numbers(ondemand::object& tree, std::string_view name) {
  std::vector<Number> numbers;
  ondemand::array array;
  if (tree.find_field_unordered(name).get_array().get(array) != simdjson::SUCCESS)
    return NotUnderstood("there is no list " + std::string(name));
  for (auto element : array) {
    std::string_view token;
    Number number{};
    if (element.raw_json_token().get(token) != simdjson::SUCCESS || !Parse(token, number))
      return NotUnderstood(std::string(name) + " has \"" + std::string(token) + "\"");
    numbers.push_back(number);
  }
  return numbers;
}

// As the file has them: an entry a node, children -1 of leaves.
struct Columns {
  std::vector<std::int32_t> left, right, feature, nan_goes_left;
  std::vector<float> value;
};

Result<Columns> ReadColumns(ondemand::object& tree) {
  Columns columns;
  PUNCTUAL_ASSIGN(columns.left, Numbers<std::int32_t>(tree, "left_children"));
  PUNCTUAL_ASSIGN(columns.right, Numbers<std::int32_t>(tree, "right_children"));
  PUNCTUAL_ASSIGN(columns.feature, Numbers<std::int32_t>(tree, "split_indices"));
  PUNCTUAL_ASSIGN(columns.nan_goes_left, Numbers<std::int32_t>(tree, "default_left"));
  PUNCTUAL_ASSIGN(columns.value, Numbers<float>(tree, "split_conditions"));
  const std::size_t count = columns.left.size();
  if (count == 0 || columns.right.size() != count || columns.feature.size() != count ||
      columns.nan_goes_left.size() != count || columns.value.size() != count)
    return NotUnderstood("a tree's lists are not as long as each other");
  return columns;
}

// Only nodes that the root leads to: XGBoost leaves pruned ones in its lists.
Result<Tree> MakeTree(const Columns& columns) {
  Tree tree;
  tree.nodes.emplace_back();
  std::vector<std::size_t> from = {0};  // of tree.nodes, their places in the lists
  for (std::size_t at = 0; at < tree.nodes.size(); ++at) {
    const std::size_t place = from[at];
    if (place >= columns.left.size() || tree.nodes.size() > columns.left.size())
      return NotUnderstood("a node has a child that is not there");
    TreeNode node;
    node.value = columns.value[place];
    if (columns.left[place] >= 0) {
      node.is_leaf = false;
      node.feature = static_cast<std::uint32_t>(columns.feature[place]);
      node.nan_goes_left = columns.nan_goes_left[place] != 0;
      node.left = static_cast<std::uint32_t>(tree.nodes.size());
      node.right = node.left + 1;
      tree.nodes.resize(tree.nodes.size() + 2);
      from.push_back(static_cast<std::size_t>(columns.left[place]));
      from.push_back(static_cast<std::size_t>(columns.right[place]));
    }
    tree.nodes[at] = node;
  }
  return tree;
}

}  // namespace

Result<std::vector<Tree>> ReadXgboostTrees(std::string_view json) {
  const simdjson::padded_string text(json);
  ondemand::parser parser;
  ondemand::document document;
  ondemand::object model;
  ondemand::array array;
  if (parser.iterate(text).get(document) != simdjson::SUCCESS ||
      document["learner"]["gradient_booster"]["model"].get_object().get(model) != simdjson::SUCCESS)
    return NotUnderstood("there is no learner.gradient_booster.model");
  PUNCTUAL_ASSIGN(const auto numbers, Numbers<std::int32_t>(model, "tree_info"));
  if (model.find_field_unordered("trees").get_array().get(array) != simdjson::SUCCESS)
    return NotUnderstood("there is no list trees");
  std::vector<Tree> trees;
  for (auto element : array) {
    ondemand::object object;
    if (element.get_object().get(object) != simdjson::SUCCESS) return NotUnderstood("a tree is no object");
    PUNCTUAL_ASSIGN(const Columns columns, ReadColumns(object));
    PUNCTUAL_ASSIGN(Tree tree, MakeTree(columns));
    if (trees.size() >= numbers.size() || numbers[trees.size()] < 0) return NotUnderstood("a tree is of no class");
    tree.number = static_cast<std::size_t>(numbers[trees.size()]);
    trees.push_back(std::move(tree));
  }
  return trees;
}

}  // namespace punctual::optimize
