// Writes what a model is measured with: model_reference FILE COUNT makes FILE.inputs, COUNT random inputs in float, and
// FILE.expected, what the model gives for each of them when it is computed in double: all outputs, one after another.
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "reference.h"

namespace punctual {
namespace {

int Main(int argc, char** argv) {
  const long count = argc == 3 ? std::strtol(argv[2], nullptr, 10) : 0;
  if (count < 1) {
    std::fprintf(stderr, "usage: model_reference FILE COUNT\n");
    return 2;
  }
  const std::string path = argv[1];
  onnx::ModelProto model;
  std::ifstream file(path, std::ios::binary);
  if (!model.ParseFromIstream(&file)) {
    std::fprintf(stderr, "model_reference: %s is no ONNX file\n", argv[1]);
    return 1;
  }
  std::ofstream inputs(path + ".inputs", std::ios::binary), expected(path + ".expected", std::ios::binary);
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(count); ++i) {
    const DoubleValues input = ReferenceInput(model.graph(), i);
    const auto values = ComputeReference(model.graph(), input);
    if (!values) {
      std::fprintf(stderr, "model_reference: %s\n", values.error().message.c_str());
      return 1;
    }
    for (const onnx::ValueInfoProto& one : model.graph().input()) {
      const std::vector<double>& numbers = input.at(one.name()).values;
      const std::vector<float> floats(numbers.begin(), numbers.end());
      inputs.write(reinterpret_cast<const char*>(floats.data()), static_cast<std::streamsize>(4 * floats.size()));
    }
    for (const onnx::ValueInfoProto& one : model.graph().output()) {
      const std::vector<double>& numbers = values->at(one.name()).values;
      expected.write(reinterpret_cast<const char*>(numbers.data()), static_cast<std::streamsize>(8 * numbers.size()));
    }
  }
  return inputs.flush() && expected.flush() ? 0 : 1;
}

}  // namespace
}  // namespace punctual

int main(int argc, char** argv) { return punctual::Main(argc, argv); }
