// An ONNX graph that grows node by node, at random: values to choose from, and what is known of each. Everything is
// decided by the seed. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "model/onnx_graph.h"

namespace punctual::test {

inline constexpr std::size_t kNoAxis = std::numeric_limits<std::size_t>::max();

// Of floats.
struct GrownValue {
  std::string name;
  OnnxDims dims;                     // for one question
  std::size_t batch_axis = kNoAxis;  // which dimension grows with the batch; kNoAxis: none, the batch is fixed
  float bound = 1;                   // about how large its numbers are
  bool is_exact = false;             // its numbers follow from the inputs' without rounding
  bool is_read = false;

  std::size_t rank() const { return dims.size(); }
  std::int64_t count() const;
  bool IsBatch(std::size_t axis) const { return axis == batch_axis; }
};

class GrowingGraph {
 public:
  explicit GrowingGraph(std::uint32_t seed);

  int opset() const { return opset_; }
  bool has_open_batch() const { return has_open_batch_; }
  // Whether some of its layers are quantised. ONNX Runtime has to know all operators of such a graph.
  bool has_codes() const { return has_codes_; }
  OnnxGraph& onnx() { return onnx_; }

  // --- chance ---
  int Between(int least, int most) { return least + static_cast<int>(random_() % unsigned(most - least + 1)); }
  bool Chance(int percent) { return Between(1, 100) <= percent; }
  float Uniform(float low, float high) { return low + (high - low) * static_cast<float>(random_()) / 4294967296.0f; }
  template <class T>
  const T& OneOf(const std::vector<T>& all) {
    return all[static_cast<std::size_t>(Between(0, static_cast<int>(all.size()) - 1))];
  }
  // An axis that is not the batch's; kNoAxis: there is none.
  std::size_t AnyAxis(const GrownValue& x);
  // Some of them in ascending order, at least one, each maybe counted from the end; empty: there is none.
  OnnxDims AnyAxes(const GrownValue& x);
  // An axis as one may write it: from the beginning or from the end.
  std::int64_t Written(std::size_t axis, std::size_t rank);

  // --- nodes ---
  // As OnnxGraph::Add.
  std::string Node(const std::string& type, const std::vector<std::string>& inputs,
                   const std::vector<OnnxAttribute>& attributes = {}, std::vector<std::string> outputs = {});
  // Names for the outputs of a node that has several.
  std::vector<std::string> Names(std::size_t count);
  std::string Random(const OnnxDims& dims, float low, float high);
  // Weights after which numbers are about as large as before.
  std::string Weights(const OnnxDims& dims, std::int64_t fan_in);
  // A node whose axes are an attribute until opset `since` - 1, and an input from then on.
  std::string NodeWithAxes(const std::string& type, const std::string& x, const OnnxDims& axes, int since,
                           std::vector<OnnxAttribute> attributes = {});

  // --- values ---
  GrownValue Any();
  // One that `fits`; empty: there is none.
  template <class Fits>
  std::optional<GrownValue> AnyThat(const Fits& fits) {
    std::vector<GrownValue> fitting;
    for (const GrownValue& value : values_)
      if (fits(value)) fitting.push_back(value);
    if (fitting.empty()) return std::nullopt;
    return OneOf(fitting);
  }
  // A value that a node computes. Numbers that have become large are made small again.
  void Put(GrownValue value);
  // The graph's inputs, and its outputs: values that nobody reads, and some that are read.
  void AddInputs();
  void AddOutputs();
  // Numbers go through codes that are `step` apart.
  void NoteCodes(float step) { code_step_ = std::max(code_step_, step); }
  float code_step() const { return code_step_; }
  // A batch may sum in another order than single questions.
  void NoteOtherOrder() { has_other_order_ = true; }
  bool has_other_order() const { return has_other_order_; }
  std::size_t node_count() const { return static_cast<std::size_t>(onnx_.graph().node_size()); }

 private:
  GrownValue Input(const OnnxDims& dims, onnx::TensorProto::DataType type);
  void AddFloats();
  void AddIntegers();
  void Output(const GrownValue& value);
  bool NeedsAllInputs();

  std::mt19937 random_;
  const int opset_;
  const bool has_open_batch_, has_codes_;
  OnnxGraph onnx_;
  std::vector<GrownValue> values_;
  float code_step_ = 0;
  bool has_other_order_ = false;
};

}  // namespace punctual::test
