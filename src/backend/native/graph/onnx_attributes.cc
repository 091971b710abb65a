#include "backend/native/graph/onnx_attributes.h"

#include <onnx/onnx_pb.h>

#include "backend/native/graph/onnx_tensor.h"

namespace punctual::native {

namespace {

Result<Attribute> ReadAttribute(const onnx::AttributeProto& attribute, const std::string& what, const Limits& limits) {
  if (!attribute.ref_attr_name().empty())
    return Fail(Code::kFailedPrecondition, what + " is taken from a function's attribute, which is not supported");
  switch (attribute.type()) {
    case onnx::AttributeProto::INT: return Attribute(std::in_place_type<std::int64_t>, attribute.i());
    case onnx::AttributeProto::FLOAT: return Attribute(attribute.f());
    case onnx::AttributeProto::STRING: return Attribute(attribute.s());
    case onnx::AttributeProto::INTS:
      return Attribute(std::vector<std::int64_t>(attribute.ints().begin(), attribute.ints().end()));
    case onnx::AttributeProto::FLOATS:
      return Attribute(std::vector<float>(attribute.floats().begin(), attribute.floats().end()));
    case onnx::AttributeProto::STRINGS:
      return Attribute(std::vector<std::string>(attribute.strings().begin(), attribute.strings().end()));
    case onnx::AttributeProto::TENSOR: {
      // Infinities are at home here: masks and bounds stand in Constant nodes.
      PUNCTUAL_ASSIGN(auto tensor, ReadTensor(attribute.t(), what, limits, Infinities::kAllowed));
      return Attribute(std::move(tensor));
    }
    case onnx::AttributeProto::GRAPH:
    case onnx::AttributeProto::GRAPHS:
      return Fail(Code::kFailedPrecondition, what + " is a graph; branches and loops are not supported");
    case onnx::AttributeProto::UNDEFINED: return Fail(Code::kInvalidArgument, what + " has no type");
    default: return Fail(Code::kFailedPrecondition, what + " is of a kind that is not supported");
  }
}

}  // namespace

Result<Attributes> ReadAttributes(const onnx::NodeProto& node, const std::string& what, const Limits& limits) {
  Attributes attributes;
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    const std::string name = what + ": attribute \"" + attribute.name() + "\"";
    if (attributes.contains(attribute.name())) return Fail(Code::kInvalidArgument, name + " stands there twice");
    PUNCTUAL_ASSIGN(auto value, ReadAttribute(attribute, name, limits));
    attributes.emplace(attribute.name(), std::move(value));
  }
  return attributes;
}

}  // namespace punctual::native
