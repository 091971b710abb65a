// A model repository in a temporary folder that goes with the object.
#pragma once

#include <string>

namespace punctual::test {

class TemporaryRepository {
 public:
  TemporaryRepository();
  ~TemporaryRepository();
  TemporaryRepository(const TemporaryRepository&) = delete;
  TemporaryRepository& operator=(const TemporaryRepository&) = delete;

  const std::string& path() const { return path_; }
  // Writes `file` (folders are made) below the repository; an existing one is replaced in one step.
  void Write(const std::string& file, const std::string& bytes);
  void Remove(const std::string& file);
  // MODEL/model.toml and MODEL/VERSION/model.onnx.
  void AddModel(const std::string& model, const std::string& version, const std::string& manifest,
                const std::string& onnx);

 private:
  std::string path_;
};

// A manifest whose features are `columns` normal ones of one snapshot: imbalance_1 ... imbalance_`columns` over as many
// levels.
std::string ImbalanceManifest(int columns, const std::string& more = "");

}  // namespace punctual::test
