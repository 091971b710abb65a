// Punctual as a library: opens a model repository, publishes books, asks for predictions.
//
//   embed MODELS      (for instance the models/ folder of Punctual's source)
#include <punctual/engine.h>

#include <cstdio>
#include <string>

namespace {

// A made-up book that moves a little: ten levels a side around a mid that rises and falls.
punctual::BookSnapshot MakeBook(std::uint64_t sequence) {
  punctual::BookSnapshot book;
  book.sequence = sequence;
  book.level_count = 10;
  const double mid = 100.0 + 0.01 * static_cast<double>(sequence % 7);
  for (int i = 0; i < book.level_count; ++i) {
    const double away = 0.01 * (i + 1),
                 size = 1.0 + static_cast<double>((sequence + static_cast<std::uint64_t>(i)) % 5);
    book.levels[static_cast<std::size_t>(i)] = {mid + away, size, mid - away, 6.0 - size};
  }
  return book;
}

void Print(const punctual::Result<punctual::Prediction>& answer) {
  if (answer.has_error()) {
    std::printf("%s: %s\n", std::string(punctual::CodeName(answer.error().code)).c_str(),
                answer.error().message.c_str());
    return;
  }
  std::printf("%s %s/%s from %-6s in %.3f ms:", answer->identity->model.c_str(), answer->identity->version.c_str(),
              answer->identity->variant.c_str(), std::string(punctual::SourceName(answer->source)).c_str(),
              static_cast<double>(answer->elapsed.count()) / 1e6);
  for (const punctual::OutputView output : answer->outputs)
    for (const float value : output.values<float>()) std::printf(" %.4f", static_cast<double>(value));
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: embed MODELS\n");
    return 2;
  }
  punctual::EngineOptions options;
  options.model_repository = argv[1];
  options.styles = {{"scalping", "mlp"}, {"swing", "deeplob"}};
  options.users = {{"ada", "premium", "scalping"}, {"ben", "basic", "swing"}};
  punctual::Result<punctual::Engine> engine = punctual::Engine::Open(options);
  if (engine.has_error()) {
    std::fprintf(stderr, "%s\n", engine.error().message.c_str());
    return 1;
  }
  for (std::uint64_t sequence = 1; sequence <= 120; ++sequence)
    if (auto published = engine->Publish("BTCUSDT", MakeBook(sequence)); published.has_error()) {
      std::fprintf(stderr, "%s\n", published.error().message.c_str());
      return 1;
    }
  Print(engine->Predict({.user = "ada", .symbol = "BTCUSDT"}));  // computed
  Print(engine->Predict({.user = "ada", .symbol = "BTCUSDT"}));  // from memory
  Print(engine->Predict({.user = "ben", .symbol = "BTCUSDT"}));
  Print(engine->Predict({.user = "eve", .symbol = "BTCUSDT"}));  // not known: an error that says so
  return 0;
}
