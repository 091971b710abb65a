// What becomes of the variants that were judged and timed, in the folder to be made and in words.
#pragma once

#include <string>

#include "optimize/optimization.h"
#include "optimize/samples.h"
#include "optimize/subject.h"

namespace punctual::optimize {

// From `found.runs`, the searches and the machine: what passed and is quicker, what is served, the student's name,
// each tier's choice, the folders to serve and the verdict. Gives the manifest of the folder to be made: the model's
// own text, with what changes.
std::string Decide(const Subject& subject, Optimization& found);

// What one should know besides. `held_out`: the model's answers.
void AddNotes(const Subject& subject, const Answers& held_out, Optimization& found);

}  // namespace punctual::optimize
