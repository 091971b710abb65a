// Writes a model of the kinds that trading systems run, with random weights and an open batch, as ONNX:
// make_model KIND FILE [--input book]
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>

#include "model_kinds.h"

namespace punctual {
namespace {

using Maker = std::function<OnnxGraph()>;

std::map<std::string, Maker> Kinds(bool of_books) {
  return {
      {"mlp_8k",
       [] {
         return MakePerceptron({32, 64, 64, 32});
       }},
      {"mlp_69k",
       [] {
         return MakePerceptron({128, 256, 128, 32});
       }},
      {"mlp_295k",
       [] {
         return MakePerceptron({256, 384, 384, 128});
       }},
      {"lstm_a", [] { return MakeLstm(50, 100, 2, 100); }},
      {"lstm_b", [] { return MakeLstm(100, 250, 3, 200); }},
      {"tcn", MakeTcn},
      {"deeplob_16", [=] { return MakeDeepLob(16, of_books); }},
      {"deeplob_32", [=] { return MakeDeepLob(32, of_books); }},
      {"transformer", MakeTransformer},
      {"gbt_250x5", [] { return MakeTreeRegressor(250, 5); }},
      {"gbt_1000x8", [] { return MakeTreeClassifier(1000, 8); }},
  };
}

bool TakeEnd(std::string& text, const std::string& end) {
  if (!text.ends_with(end)) return false;
  text.resize(text.size() - end.size());
  return true;
}

int Main(int argc, char** argv) {
  const bool of_books = argc == 5 && std::strcmp(argv[3], "--input") == 0 && std::strcmp(argv[4], "book") == 0;
  const std::map<std::string, Maker> kinds = Kinds(of_books);
  std::string name = argc < 3 ? "" : argv[1];
  const bool is_behind = TakeEnd(name, "_int8_behind"), is_quantized = is_behind || TakeEnd(name, "_int8");
  const auto kind = kinds.find(name);
  if (kind == kinds.end() || (argc != 3 && !of_books)) {
    std::fprintf(stderr,
                 "usage: make_model KIND FILE [--input book (DeepLOB only)]; with _int8 behind it quantised, with "
                 "_int8_behind as ONNX Runtime quantises; KIND one of:\n");
    for (const auto& [one, maker] : kinds) std::fprintf(stderr, "  %s\n", one.c_str());
    return 2;
  }
  const OnnxGraph graph = kind->second();
  if (!is_quantized) return graph.Write(argv[2]) ? 0 : 1;
  const Result<std::string> quantized = Quantized(graph, is_behind);
  if (!quantized) {
    std::fprintf(stderr, "make_model: %s\n", quantized.error().message.c_str());
    return 1;
  }
  std::ofstream file(argv[2], std::ios::binary);
  return file << *quantized << std::flush ? 0 : 1;
}

}  // namespace
}  // namespace punctual

int main(int argc, char** argv) { return punctual::Main(argc, argv); }
