#include "cache/key.h"

#include <gtest/gtest.h>

#include <set>

#include "support/onnx_models.h"
#include "support/temporary_repository.h"

namespace punctual {
namespace {

std::shared_ptr<const ServedModel> Load(double weight, const std::string& manifest = test::ImbalanceManifest(2)) {
  ModelFiles files;
  files.name = "m";
  files.version = "1";
  files.manifest_path = "m/model.toml";
  files.manifest = ParseManifest(manifest, files.manifest_path).value();
  files.onnx_path = "m/1/model.onnx";
  files.onnx = test::LinearModel(2, 3, weight);
  return ServedModel::Load(files, {}).value();
}

BookSnapshot Book(double mid, std::uint64_t sequence = 1) {
  BookSnapshot book;
  book.sequence = sequence;
  book.level_count = 2;
  book.levels[0] = {mid + 1, 2, mid - 1, 3};
  book.levels[1] = {mid + 2, 4, mid - 2, 5};
  return book;
}

Window WindowOf(const BookSnapshot& book) { return Window::Of(std::span(&book, 1), TimePoint()); }

TEST(CacheKeyTest, TheSameQuestionHasTheSameKeyWhateverItsTimeAndSequence) {
  const auto model = Load(1);
  const KeyMaker maker("secret");
  BookSnapshot later = Book(100, 7);
  later.exchange_time_ns = 5;
  EXPECT_EQ(maker.OfState(*model, WindowOf(Book(100))), maker.OfState(*model, WindowOf(later)));
  EXPECT_EQ(maker.OfBooks(*model, WindowOf(Book(100))), maker.OfBooks(*model, WindowOf(later)));
}

TEST(CacheKeyTest, WhatChangesTheAnswerChangesTheKey) {
  const auto model = Load(1);
  const auto other_file = Load(2);
  const auto other_features = Load(1, test::ImbalanceManifest(2) + "mean = [0.5, 0]\n");
  const KeyMaker maker("secret"), other_secret("another");
  std::set<Digest> keys;
  for (const auto& m : {model, other_file, other_features})
    for (const double mid : {100.0, 100.5}) {
      keys.insert(maker.OfState(*m, WindowOf(Book(mid))).digest());
      keys.insert(maker.OfBooks(*m, WindowOf(Book(mid))).digest());
      keys.insert(other_secret.OfState(*m, WindowOf(Book(mid))).digest());
    }
  EXPECT_EQ(keys.size(), 18u);
}

TEST(CacheKeyTest, TheSameFilesLoadedAgainHaveTheSameDigest) { EXPECT_EQ(Load(1)->digest(), Load(1)->digest()); }

TEST(CacheKeyTest, EveryByteOfATensorCounts) {
  const KeyMaker maker("secret");
  std::set<Digest> keys;
  for (std::size_t size = 1; size <= 4; ++size)
    for (std::size_t changed = 0; changed <= size; ++changed) {
      NamedTensor tensor{"x", Tensor(DType::kFloat32, {static_cast<std::int64_t>(size)})};
      if (changed < size) tensor.tensor.mutable_values<float>()[changed] = 1e-30f;
      keys.insert(maker.OfTensors(Digest{1, 2}, std::span(&tensor, 1)).digest());
    }
  EXPECT_EQ(keys.size(), 2u + 3 + 4 + 5);
}

}  // namespace
}  // namespace punctual
