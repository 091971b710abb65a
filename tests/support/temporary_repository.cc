#include "support/temporary_repository.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace punctual::test {

namespace fs = std::filesystem;

TemporaryRepository::TemporaryRepository() {
  std::string pattern = (fs::temp_directory_path() / "punctual-test-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) std::abort();
  path_ = pattern;
}

TemporaryRepository::~TemporaryRepository() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void TemporaryRepository::Write(const std::string& file, const std::string& bytes) {
  const fs::path path = fs::path(path_) / file;
  fs::create_directories(path.parent_path());
  const fs::path beside = path.string() + ".new";
  std::ofstream(beside, std::ios::binary) << bytes;
  fs::rename(beside, path);
}

void TemporaryRepository::Remove(const std::string& file) { fs::remove_all(fs::path(path_) / file); }

void TemporaryRepository::AddModel(const std::string& model, const std::string& version, const std::string& manifest,
                                   const std::string& onnx) {
  Write(model + "/" + version + "/model.onnx", onnx);
  Write(model + "/model.toml", manifest);
}

std::string ImbalanceManifest(int columns, const std::string& more) {
  std::string list;
  for (int i = 1; i <= columns; ++i) list += (i > 1 ? ", " : "") + ("\"imbalance_" + std::to_string(i) + "\"");
  return more + "\n[features]\ninput = \"book\"\nwindow = 1\nlevels = " + std::to_string(columns) + "\ncolumns = [" +
         list + "]\n";
}

}  // namespace punctual::test
