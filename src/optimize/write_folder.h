// The last stage: the files of the folder to be made.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "optimize/decide.h"
#include "optimize/optimization.h"
#include "optimize/samples.h"
#include "optimize/split.h"
#include "optimize/subject.h"
#include "optimize/work_folder.h"
#include "punctual/result.h"

namespace punctual::optimize {

struct FolderRequest {
  const Subject& subject;
  const Samples& samples;
  const Parts& parts;
  std::span<const Answers, 3> answers;  // the model's, to parts.fit, .search and .held_out
  const std::vector<MadeModel>& models;
  const Optimization& found;
  // Called with how far the pre-computed signals are. May be empty.
  std::function<void(std::size_t done, std::size_t of)> progress;
};

// A repository of `models`, each with the int8 file where it passed, the profile and pre-computed signals (the model's
// own, or else the means of its answers to what was not held out), of the student where it passed, in the model's
// version, and the reports beside them: published, once it was seen that a server takes it. Errors are those of the
// work folder, of RunModel and a server's. Blocks.
Result<void> WriteFolder(const FolderRequest& request, WorkFolder& work);

}  // namespace punctual::optimize
