// A model in a folder of its own, and a folder to work in beside it.
#pragma once

#include <string>

#include "optimize/work_folder.h"
#include "support/temporary_repository.h"

namespace punctual::optimize {

class ModelOnDisk {
 public:
  explicit ModelOnDisk(const std::string& onnx, const std::string& manifest = "") {
    repository_.AddModel("m", "1", manifest, onnx);
  }

  std::string path() const { return repository_.path() + "/m"; }
  WorkFolder work(const std::string& name = "made") const {
    return WorkFolder::Open(repository_.path() + "/" + name, {1, 2}).value();
  }

 private:
  test::TemporaryRepository repository_;
};

}  // namespace punctual::optimize
