#include "backend/native/graph/onnx_reader.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "backend/native/graph/infer.h"
#include "backend/native/graph/onnx_attributes.h"
#include "backend/native/graph/onnx_tensor.h"
#include "backend/native/graph/onnx_value_info.h"
#include "backend/native/operators/operator.h"
#include "base/topological_order.h"

namespace punctual::native {

namespace {

// The newest opsets whose operators we have looked at: a later one may give a name another meaning.
constexpr std::int64_t kNewestOpset = 24;
constexpr std::int64_t kNewestMlOpset = 5;

constexpr std::string_view kMlDomain = "ai.onnx.ml";

// ONNX's own operators go by either of two names.
std::string_view DomainOf(const std::string& written) {
  return written == "ai.onnx" ? std::string_view() : std::string_view(written);
}

std::string NodeText(const onnx::NodeProto& node) {
  const std::string& name = !node.name().empty() || node.output_size() == 0 ? node.name() : node.output(0);
  return "node \"" + name + "\" (" + node.op_type() + ")";
}

Error Wrong(std::string what) { return Fail(Code::kInvalidArgument, std::move(what)); }
Error Unsupported(std::string what) { return Fail(Code::kFailedPrecondition, std::move(what)); }

class OnnxReader {
 public:
  OnnxReader(const onnx::ModelProto& model, const ReadOptions& options)
      : model_(model), graph_(model.graph()), options_(options) {}

  Result<ReadModel> Read() {
    if (options_.batch < 1) return Wrong("a batch of " + std::to_string(options_.batch) + " was asked for");
    if (static_cast<std::size_t>(graph_.node_size()) > options_.limits.max_nodes)
      return Wrong("has " + std::to_string(graph_.node_size()) + " nodes, more than " +
                   std::to_string(options_.limits.max_nodes));
    if (graph_.sparse_initializer_size() != 0) return Unsupported("has sparse initialisers, which are not supported");
    for (const onnx::FunctionProto& function : model_.functions())
      functions_.emplace(DomainOf(function.domain()), function.name());
    PUNCTUAL_TRY(ReadOpsets());
    PUNCTUAL_TRY(ReadInitializers());
    PUNCTUAL_TRY(ReadInputs());
    PUNCTUAL_TRY(NameOutputsOfNodes());
    PUNCTUAL_TRY(ReadNodes());
    PUNCTUAL_TRY(ReadOutputs());
    PUNCTUAL_TRY(Infer(read_.graph, options_.limits));
    for (int i = 0; i < graph_.output_size(); ++i)
      PUNCTUAL_TRY(ExpectDeclared(graph_.output(i), read_.graph.values[ids_.at(graph_.output(i).name())]));
    return std::move(read_);
  }

 private:
  Result<void> ReadOpsets() {
    for (const auto& opset : model_.opset_import()) {
      const std::string_view domain = DomainOf(opset.domain());
      const std::int64_t newest = domain.empty()        ? kNewestOpset
                                  : domain == kMlDomain ? kNewestMlOpset
                                                        : std::numeric_limits<std::int32_t>::max();
      if (opset.version() < 1)
        return Wrong("opset " + std::to_string(opset.version()) + " of domain " + Quoted(domain));
      if (opset.version() > newest)
        return Unsupported("is of opset " + std::to_string(opset.version()) + " of domain " + Quoted(domain) +
                           ", up to " + std::to_string(newest) + " are known; export it with an older one");
      if (!opsets_.emplace(domain, static_cast<int>(opset.version())).second)
        return Wrong("has two opsets of domain " + Quoted(domain));
    }
    return {};
  }

  static std::string Quoted(std::string_view domain) {
    return "\"" + std::string(domain.empty() ? "ai.onnx" : domain) + "\"";
  }

  Result<void> NewName(const std::string& name, Value value) {
    if (!ids_.emplace(name, static_cast<ValueId>(read_.graph.values.size())).second)
      return Wrong("two values are named \"" + name + "\"");
    read_.graph.Add(std::move(value));
    return {};
  }

  Result<void> ReadInitializers() {
    for (const onnx::TensorProto& tensor : graph_.initializer()) {
      if (tensor.name().empty()) return Wrong("an initialiser has no name");
      const std::string what = "initialiser \"" + tensor.name() + "\"";
      PUNCTUAL_ASSIGN(auto constant, ReadTensor(tensor, what, options_.limits, Infinities::kRefused));
      Value value{tensor.name(), constant->type(), constant->dims(), constant};
      PUNCTUAL_TRY(NewName(tensor.name(), std::move(value)));
    }
    return {};
  }

  Result<void> ReadInputs() {
    read_.batch_is_open = true;
    for (const onnx::ValueInfoProto& input : graph_.input()) {
      // Files of old list the initialisers among the inputs.
      const auto found = ids_.find(input.name());
      if (found != ids_.end() && read_.graph.values[found->second].constant != nullptr) continue;
      PUNCTUAL_ASSIGN(auto declared, ReadInput(input, options_.batch, options_.limits));
      read_.batch_is_open = read_.batch_is_open && declared.batch_is_open;
      PUNCTUAL_TRY(NewName(input.name(), std::move(declared.value)));
      read_.graph.inputs.push_back(ids_.at(input.name()));
    }
    read_.batch_is_open = read_.batch_is_open && !read_.graph.inputs.empty();
    return {};
  }

  Result<void> NameOutputsOfNodes() {
    producers_.assign(read_.graph.values.size(), SIZE_MAX);
    for (int i = 0; i < graph_.node_size(); ++i)
      for (const std::string& output : graph_.node(i).output()) {
        if (output.empty()) continue;
        PUNCTUAL_TRY(NewName(output, {output, ElementType::kFloat32, {}, nullptr}));
        producers_.push_back(static_cast<std::size_t>(i));
      }
    return {};
  }

  Result<void> ReadNodes() {
    std::vector<std::vector<std::size_t>> needs(static_cast<std::size_t>(graph_.node_size()));
    std::vector<Node> nodes;
    for (std::size_t i = 0; i < needs.size(); ++i) {
      PUNCTUAL_ASSIGN(auto node, ReadNode(graph_.node(static_cast<int>(i))));
      for (const ValueId input : node.inputs)
        if (input != kNoValue && producers_[input] != SIZE_MAX) needs[i].push_back(producers_[input]);
      nodes.push_back(std::move(node));
    }
    const auto order = OrderOf(needs);
    if (order.size() != nodes.size()) {
      std::vector<bool> is_ordered(nodes.size());
      for (const std::size_t i : order) is_ordered[i] = true;
      const auto first = std::find(is_ordered.begin(), is_ordered.end(), false) - is_ordered.begin();
      return Wrong(NodeText(graph_.node(static_cast<int>(first))) + " waits for itself: the nodes form a circle");
    }
    for (const std::size_t i : order) read_.graph.nodes.push_back(std::move(nodes[i]));
    return {};
  }

  Result<Node> ReadNode(const onnx::NodeProto& proto) {
    const std::string what = NodeText(proto);
    Node node;
    node.name = !proto.name().empty() || proto.output_size() == 0 ? proto.name() : proto.output(0);
    PUNCTUAL_ASSIGN(node.opset, OpsetOf(proto, what));
    PUNCTUAL_ASSIGN(node.op, OperatorOf(proto, what, node.opset));
    PUNCTUAL_ASSIGN(node.attributes, ReadAttributes(proto, what, options_.limits));
    for (const std::string& input : proto.input()) {
      const auto found = ids_.find(input);
      if (!input.empty() && found == ids_.end())
        return Wrong(what + " reads \"" + input + "\", which is no input, no initialiser and no output of a node");
      node.inputs.push_back(input.empty() ? kNoValue : found->second);
    }
    for (const std::string& output : proto.output())
      node.outputs.push_back(output.empty() ? kNoValue : ids_.at(output));
    // Left out at the end is the same as not there.
    while (!node.inputs.empty() && node.inputs.back() == kNoValue) node.inputs.pop_back();
    if (std::all_of(node.outputs.begin(), node.outputs.end(), [](ValueId output) { return output == kNoValue; }))
      return Wrong(what + " has no outputs");
    // Operators may count on their first output: one that is left out is computed, and nobody reads it.
    if (node.outputs[0] == kNoValue) node.outputs[0] = read_.graph.Add({node.name, ElementType::kFloat32, {}, nullptr});
    return node;
  }

  Result<int> OpsetOf(const onnx::NodeProto& node, const std::string& what) const {
    const auto found = opsets_.find(DomainOf(node.domain()));
    if (found == opsets_.end())
      return Wrong(what + ": the file does not say which opset of domain " + Quoted(DomainOf(node.domain())) +
                   " it uses");
    return found->second;
  }

  Result<const Operator*> OperatorOf(const onnx::NodeProto& node, const std::string& what, int opset) const {
    const std::string_view domain = DomainOf(node.domain());
    // What a file defines itself does not have to be what its name says.
    if (functions_.contains({domain, node.op_type()}))
      return Unsupported(what + " is a function that the file defines; export it with functions inlined");
    // The passes' own operators trust their nodes; a file may not name them.
    const Operator* op = domain.empty() || domain == kMlDomain ? FindOperator(domain, node.op_type(), opset) : nullptr;
    if (op != nullptr) return op;
    return Unsupported(what + ": " + WhyUnknown(domain, node.op_type(), opset));
  }

  static std::string WhyUnknown(std::string_view domain, const std::string& type, int opset) {
    int since = 0, until = 0;  // where it is known: the nearest opsets
    for (const Operator& op : AllOperators()) {
      if (op.domain != domain || op.type != type || (!domain.empty() && domain != kMlDomain)) continue;
      if (op.since > opset) since = since == 0 ? op.since : std::min(since, op.since);
      if (op.until < opset) until = std::max(until, op.until);
    }
    const std::string is_of = "; the file is of opset " + std::to_string(opset) + ": export it with ";
    if (since > 0)
      return "native knows " + type + " from opset " + std::to_string(since) + " on" + is_of + "a newer one";
    if (until > 0) return "native knows " + type + " up to opset " + std::to_string(until) + is_of + "an older one";
    return "the native backend has no operator " + type + " of domain " + Quoted(domain) + " in opset " +
           std::to_string(opset);
  }

  Result<void> ReadOutputs() {
    if (graph_.output_size() == 0) return Wrong("has no outputs");
    std::unordered_set<ValueId> listed;
    for (const onnx::ValueInfoProto& output : graph_.output()) {
      const auto found = ids_.find(output.name());
      if (found == ids_.end()) return Wrong("output \"" + output.name() + "\" is computed by no node");
      if (!listed.insert(found->second).second) return Wrong("output \"" + output.name() + "\" is listed twice");
      PUNCTUAL_TRY(ExpectNoStrings(output));
      read_.graph.outputs.push_back(found->second);
    }
    return {};
  }

  const onnx::ModelProto& model_;
  const onnx::GraphProto& graph_;
  const ReadOptions& options_;
  ReadModel read_;
  std::set<std::pair<std::string_view, std::string_view>> functions_;  // that the file defines: domain, name
  std::map<std::string, int, std::less<>> opsets_;                     // by domain
  std::unordered_map<std::string, ValueId> ids_;                       // by the file's names
  std::vector<std::size_t> producers_;                                 // by value: the node of the file; SIZE_MAX: none
};

}  // namespace

Result<ReadModel> ReadOnnx(std::string_view onnx, const std::string& where, const ReadOptions& options) {
  onnx::ModelProto model;
  if (onnx.size() > static_cast<std::size_t>(std::numeric_limits<int>::max()) ||
      !model.ParseFromArray(onnx.data(), static_cast<int>(onnx.size())) || !model.has_graph())
    return Fail(Code::kInvalidArgument, where + ": is no ONNX file");
  auto read = OnnxReader(model, options).Read();
  if (read.has_error()) return Fail(read.error().code, where + ": " + read.error().message);
  return read;
}

}  // namespace punctual::native
