#include "backends/book_samples.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "features/features.h"
#include "market/csv_reader.h"
#include "market/simulator.h"
#include "model/manifest.h"

namespace punctual::test {
namespace {

const std::filesystem::path kRoot = PUNCTUAL_SOURCE_DIR;
constexpr std::size_t kMostBooks = 20'000;

std::string Read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return std::move(bytes).str();
}

std::vector<BookSnapshot> Recorded(const std::filesystem::path& path) {
  std::vector<BookSnapshot> books;
  BookCsvReader reader = BookCsvReader::Open(path.string(), {.skip_bad_lines = true}).value();
  for (auto book = reader.Next().value(); book.has_value() && books.size() < kMostBooks; book = reader.Next().value())
    books.push_back(std::move(*book));
  return books;
}

std::vector<BookSnapshot> Simulated() {
  std::vector<BookSnapshot> books;
  Simulator simulator = Simulator::Make({.symbols = 1}).value();
  while (books.size() < kMostBooks) books.push_back(simulator.Next().book);
  return books;
}

const std::vector<BookSnapshot>& Books() {
  static const std::vector<BookSnapshot> books = [] {
    const std::filesystem::path recording = kRoot.parent_path() / "shared/data/lob10/usdm_btcusdt.csv.gz";
    return std::filesystem::exists(recording) ? Recorded(recording) : Simulated();
  }();
  return books;
}

}  // namespace

ShippedModel LoadShippedModel(const std::string& name, std::size_t count) {
  const std::filesystem::path folder = kRoot / "models" / name;
  const Manifest manifest = ParseManifest(Read(folder / "model.toml"), name).value();
  const FeaturePlan plan = FeaturePlan::Make(manifest.features.value()).value();
  ShippedModel model{Read(folder / "1/model.onnx"), {}};
  optimize::Samples& samples = model.questions;
  const auto columns = static_cast<std::int64_t>(plan.columns());
  samples.inputs = {{manifest.feature_input, DType::kFloat32,
                     plan.window() == 1 ? Shape{1, columns} : Shape{1, plan.window(), columns}}};
  samples.values.resize(1);
  samples.symbols = {""};
  const std::size_t history = plan.history(), places = Books().size() - history + 1;
  std::vector<float> values(static_cast<std::size_t>(plan.window()) * plan.columns());
  for (std::size_t i = 0; i < count; ++i) {
    const std::span<const BookSnapshot> books(Books().data() + i * places / count, history);
    const auto computed = plan.Compute(Window::Of(books, {}), values);
    if (computed.has_error()) continue;  // a book of zeros at a level: the server would skip it as well
    const auto bytes = std::as_bytes(std::span(values));
    samples.values[0].insert(samples.values[0].end(), bytes.begin(), bytes.end());
    samples.time_ns.push_back(static_cast<std::int64_t>(samples.time_ns.size()));
    samples.symbol.push_back(0);
  }
  return model;
}

}  // namespace punctual::test
