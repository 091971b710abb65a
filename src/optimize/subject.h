// The model that is optimised, ready to be asked.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "features/features.h"
#include "model/backend.h"
#include "optimize/model_folder.h"
#include "punctual/result.h"

namespace punctual::optimize {

// Those that `backend = "auto"` chooses from.
std::vector<std::string> AutoBackends();

struct Subject {
  ModelFolder folder;
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;   // those that it answers with, in the manifest's order
  std::optional<FeaturePlan> plan;   // none: it takes tensors only
  std::vector<std::string> classes;  // of the first output, where the manifest names them
  // Who may compute it where it is served: the manifest's backend, or those that "auto" chooses from. The first that
  // can computes all that is compared with: what is quicker on this CPU must not change what is made.
  std::vector<std::string> backends;
  std::string reference_backend;
  std::unique_ptr<CompiledModel> reference;

  // The one that is judged.
  const TensorSpec& output() const { return outputs.front(); }
};

// Refuses what a server would refuse, with its words; kFailedPrecondition: a first output that is not of floats.
Result<Subject> OpenSubject(const std::string& path);

struct Compiled {
  std::string backend;
  std::unique_ptr<CompiledModel> model;  // null: it cannot run the file
  std::string refusal;                   // why not
};

// A file that is to be served in the subject's place, on its device, by each of `backends`.
std::vector<Compiled> CompileByAll(const Subject& subject, const std::vector<std::string>& backends,
                                   const std::string& onnx, const std::string& precision);
// By the first of its backends that can. kInvalidArgument: none can, with what each says.
Result<Compiled> CompileByFirst(const Subject& subject, const std::string& onnx, const std::string& precision);

}  // namespace punctual::optimize
