#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "backend/native/operators/operator.h"
#include "backend/native/passes/passes.h"
#include "backend/native/passes/rewriting.h"

namespace punctual::native {

namespace {

class LayerUser {
 public:
  explicit LayerUser(Graph& graph) : graph_(graph) {}

  void Run() {
    for (Node& node : graph_.nodes) {
      NotePad(node);
      const bool is_done = Convolution(node) || Pool(node) || Dense(node) || BatchNormalization(node);
      if (!is_done) nodes_.push_back(std::move(node));
    }
    graph_.nodes = std::move(nodes_);
  }

 private:
  const Value& value(ValueId id) const { return graph_.values[id]; }
  bool IsConstant(ValueId id) const { return value(id).constant != nullptr; }
  static const Operator* Internal(std::string_view type) { return FindOperator("punctual", type, 1); }

  ValueId Like(ValueId id, const char* suffix, Dims dims) {
    return graph_.Add({value(id).name + suffix, value(id).type, std::move(dims), nullptr});
  }

  // `node` between Transposes.
  bool BetweenTransposes(Node& node, std::string_view type) {
    const ValueId x = node.inputs[0], y = node.outputs[0];
    const std::size_t rank = value(x).dims.size();
    Permutation to_last{0};
    for (std::size_t axis = 2; axis < rank; ++axis) to_last.push_back(static_cast<std::int64_t>(axis));
    to_last.push_back(1);
    const ValueId x_last = Like(x, ".last", Permuted(value(x).dims, to_last));
    const ValueId y_last = Like(y, ".last", Permuted(value(y).dims, to_last));
    Node before = NewNode("Transpose", node.name + ".before", {x}, {x_last});
    before.attributes["perm"] = to_last;
    Node after = NewNode("Transpose", node.name + ".after", {y_last}, {y});
    after.attributes["perm"] = Inverse(to_last);
    node.op = Internal(type);
    node.opset = 1;
    node.inputs[0] = x_last;
    node.outputs = {y_last};
    nodes_.push_back(std::move(before));
    nodes_.push_back(std::move(node));
    nodes_.push_back(std::move(after));
    return true;
  }

  bool Convolution(Node& node) {
    if (!Is(node, "Conv") || !IsConstant(node.inputs[1])) return false;
    if (node.input(2) != kNoValue && !IsConstant(node.inputs[2])) return false;
    TakePad(node);
    return BetweenTransposes(node, "Convolution");
  }

  // A Pad with zeros around the places: a convolution that reads it can pad by itself.
  void NotePad(const Node& node) {
    if (!Is(node, "Pad") || node.String("mode", "constant") != "constant" || node.input(3) != kNoValue) return;
    const std::size_t rank = value(node.inputs[0]).dims.size();
    std::vector<std::int64_t> pads;
    if (const auto* const attribute = node.Ints("pads"); attribute != nullptr) {
      pads = *attribute;
      if (node.Float("value", 0) != 0) return;
    } else if (node.input(1) != kNoValue && IsConstant(node.inputs[1])) {
      const auto values = value(node.inputs[1]).constant->values<std::int64_t>();
      pads.assign(values.begin(), values.end());
    }
    if (const ValueId filler = node.input(2); filler != kNoValue) {
      const auto& constant = value(filler).constant;
      if (constant == nullptr || constant->type() != ElementType::kFloat32 || constant->values<float>()[0] != 0) return;
    }
    if (pads.size() != 2 * rank || rank < 3 || pads[0] != 0 || pads[1] != 0 || pads[rank] != 0 || pads[rank + 1] != 0)
      return;
    if (std::any_of(pads.begin(), pads.end(), [](std::int64_t pad) { return pad < 0; })) return;
    pads_[node.outputs[0]] = {node.inputs[0], std::move(pads)};
  }

  void TakePad(Node& node) {
    const auto found = pads_.find(node.inputs[0]);
    if (found == pads_.end() || node.String("auto_pad", "NOTSET") != "NOTSET") return;
    const auto& [source, around] = found->second;
    const std::size_t rank = around.size() / 2;
    std::vector<std::int64_t> pads(2 * (rank - 2), 0);
    if (const auto* const own = node.Ints("pads"); own != nullptr) pads = *own;
    for (std::size_t axis = 2; axis < rank; ++axis) {
      pads[axis - 2] += around[axis];
      pads[rank - 2 + axis - 2] += around[rank + axis];
    }
    node.attributes["pads"] = std::move(pads);
    node.inputs[0] = source;
  }

  bool Pool(Node& node) {
    const std::string_view type = node.op->type;
    if (!node.op->domain.empty() || !type.ends_with("Pool")) return false;
    if (type != "MaxPool" && type != "AveragePool" && type != "GlobalMaxPool" && type != "GlobalAveragePool")
      return false;
    node.attributes["of"] = std::string(type);
    return BetweenTransposes(node, "Pool");
  }

  bool Dense(Node& node) {
    const bool is_gemm = Is(node, "Gemm");
    if (!is_gemm && !Is(node, "MatMul")) return false;
    const Value& a = value(node.inputs[0]);
    const Value& b = value(node.inputs[1]);
    if (b.constant == nullptr || b.dims.size() != 2 || a.dims.empty() || a.dims.back() < 1) return false;
    if (b.type != ElementType::kFloat32 || node.Int("transA", 0) != 0) return false;
    std::shared_ptr<const Constant> weights = b.constant;
    std::vector<ValueId> inputs{node.inputs[0], node.inputs[1]};
    if (is_gemm) {
      if (node.Int("transB", 0) != 0) weights = Permuted(*weights, {1, 0});
      weights = Scaled(*weights, node.Float("alpha", 1));
      inputs[1] = AddConstant(graph_, b.name + ".packed", weights);
      if (const ValueId c = node.input(2); c != kNoValue) {
        const auto bias = RowOf(c, weights->dims()[1], node.Float("beta", 1));
        if (bias == nullptr) return false;
        inputs.push_back(AddConstant(graph_, value(c).name + ".row", bias));
      }
    }
    // Read where it stood first: later passes may leave fewer rows, which must not change a bit.
    const Dims& dims = value(node.inputs[0]).dims;
    node.attributes = {{"many_rows", std::int64_t{dims.size() > 2 && dims[dims.size() - 2] > 4}}};
    node.op = Internal("Dense");
    node.opset = 1;
    node.inputs = std::move(inputs);
    nodes_.push_back(std::move(node));
    return true;
  }

  static std::shared_ptr<const Constant> Scaled(const Constant& constant, float scale) {
    auto scaled = std::make_shared<Constant>(constant.type(), constant.dims());
    for (std::size_t i = 0; i < constant.count(); ++i)
      scaled->mutable_values<float>()[i] = constant.values<float>()[i] * scale;
    return scaled;
  }

  // A Gemm's constant C as a bias; null: it is another for each row.
  std::shared_ptr<const Constant> RowOf(ValueId id, std::int64_t outputs, float scale) const {
    const auto& c = value(id).constant;
    if (c == nullptr || (c->dims().size() == 2 && c->dims()[0] != 1)) return nullptr;
    auto row = std::make_shared<Constant>(ElementType::kFloat32, Dims{outputs});
    for (std::size_t i = 0; i < row->count(); ++i)
      row->mutable_values<float>()[i] = scale * c->values<float>()[c->count() == 1 ? 0 : i];
    return row;
  }

  // As y = x * factor + addend, which other passes can do more with.
  bool BatchNormalization(Node& node) {
    if (!Is(node, "BatchNormalization") || node.Int("training_mode", 0) != 0) return false;
    if (node.output(1) != kNoValue || FindOperator("", "Mul", 13) == nullptr) return false;
    for (std::size_t i = 1; i < 5; ++i)
      if (node.input(i) == kNoValue || !IsConstant(node.inputs[i]) ||
          value(node.inputs[i]).type != ElementType::kFloat32)
        return false;
    const auto numbers = [&](std::size_t i) { return value(node.inputs[i]).constant->values<float>(); };
    const Dims dims = value(node.inputs[0]).dims;
    if (dims.size() < 2) return false;
    Dims along(dims.size() - 1, 1);
    along[0] = dims[1];
    auto factor = std::make_shared<Constant>(ElementType::kFloat32, along);
    auto addend = std::make_shared<Constant>(ElementType::kFloat32, along);
    const double epsilon = static_cast<double>(node.Float("epsilon", 1e-5f));
    for (std::size_t c = 0; c < factor->count(); ++c) {
      const double by = static_cast<double>(numbers(1)[c]) / std::sqrt(static_cast<double>(numbers(4)[c]) + epsilon);
      factor->mutable_values<float>()[c] = static_cast<float>(by);
      addend->mutable_values<float>()[c] =
          static_cast<float>(static_cast<double>(numbers(2)[c]) - static_cast<double>(numbers(3)[c]) * by);
    }
    const ValueId scaled = Like(node.outputs[0], ".scaled", dims);
    const ValueId factor_id = AddConstant(graph_, node.name + ".factor", factor);
    const ValueId addend_id = AddConstant(graph_, node.name + ".addend", addend);
    nodes_.push_back(NewNode("Mul", node.name + ".factor", {node.inputs[0], factor_id}, {scaled}));
    nodes_.push_back(NewNode("Add", node.name, {scaled, addend_id}, {node.outputs[0]}));
    return true;
  }

  Graph& graph_;
  std::vector<Node> nodes_;
  std::map<ValueId, std::pair<ValueId, std::vector<std::int64_t>>> pads_;  // by what comes out: of what, and how much
};

}  // namespace

void UseLayers(Graph& graph) {
  if (FindOperator("", "Transpose", 13) != nullptr) LayerUser(graph).Run();
}

}  // namespace punctual::native
