// What becomes of the variants that were judged and timed, in the folder to be made and in words.
#pragma once

#include <string>
#include <vector>

#include "optimize/optimization.h"
#include "optimize/samples.h"
#include "optimize/subject.h"

namespace punctual::optimize {

// A folder to be made of the model's files: its own, or beside it that of a variant that some tier's users have to ask
// by name.
struct MadeModel {
  std::string name, variant;
  std::string manifest;  // the model's own text, with what changes
};

// From `found.runs`, the searches and the machine: what passed and is quicker, what is served, the student's name,
// each tier's choice, the folders to serve and the verdict. Gives the model's own folder first.
std::vector<MadeModel> Decide(const Subject& subject, Optimization& found);

// What one should know besides. `held_out`: the model's answers.
void AddNotes(const Subject& subject, const Answers& held_out, Optimization& found);

}  // namespace punctual::optimize
