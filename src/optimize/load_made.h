// What is made, loaded as a server would load it, before there is a repository with it.
#pragma once

#include <memory>
#include <string>

#include "model/served_model.h"
#include "optimize/optimization.h"
#include "optimize/subject.h"
#include "punctual/result.h"

namespace punctual::optimize {

struct MadeFiles {
  std::string name, version;  // of the model's folder inside of Optimization::out
  const std::string& manifest;
  const std::string& onnx;
  std::string signals;  // empty: there are none
};

// Errors are a server's, with the paths that the files will have. Blocks.
Result<std::shared_ptr<const ServedModel>> LoadMade(const std::string& out, const MadeFiles& files);

// Why a server would not let `found.student` stand in for the model, as the end of the sentence "it ..."; empty: it
// would. REQUIRES: there is a student. Blocks.
std::string RefusalOfStudent(const Subject& subject, const Optimization& found);

}  // namespace punctual::optimize
