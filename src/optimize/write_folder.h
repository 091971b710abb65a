// The last stage: the files of the folder to be made.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>

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
  const std::string& manifest;          // of the model's folder in it
  const Optimization& found;
  // Called with how far the pre-computed signals are. May be empty.
  std::function<void(std::size_t done, std::size_t of)> progress;
};

// A repository of the model, with its int8 file and its student where they passed, its profile and pre-computed signals
// (its own, or else the means of its answers to what was not held out), and the reports beside it: published, once it
// was seen that a server takes it. Errors are those of the work folder, of RunModel and a server's. Blocks.
Result<void> WriteFolder(const FolderRequest& request, WorkFolder& work);

}  // namespace punctual::optimize
