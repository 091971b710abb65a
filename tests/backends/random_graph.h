// ONNX graphs made at random from the operators that the native backend has and OpenVINO knows: chains with branches,
// mostly of a few tens of nodes. Numbers stay tame, so that what backends compute can be compared.
#pragma once

#include <cstdint>
#include <string>

namespace punctual::test {

struct RandomGraph {
  std::string onnx;       // the file's bytes
  std::string operators;  // "Conv Relu Gemm", for messages
  bool has_open_batch = false;
  bool has_other_order = false;  // a batch may sum in another order, since it does not stand first, or recurs
  float code_step = 0;           // the largest step between codes that numbers go through; 0: there are no codes
};

// The same for the same seed.
RandomGraph MakeRandomGraph(std::uint32_t seed);

}  // namespace punctual::test
