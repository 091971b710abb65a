// The model.toml of a student's own folder (docs/models.md).
#pragma once

#include <string>

#include "model/manifest.h"
#include "optimize/student_view.h"

namespace punctual::optimize {

// What ParseManifest reads as the features of `view`, every digit of them, and the outputs, the ages and the ladder of
// `model` (less its student and approximate answers), as the student is a model of its own for whoever asks it by name.
// All else is left at its default. `description`: for people.
std::string StudentManifest(const Manifest& model, const StudentView& view, const std::string& description);

}  // namespace punctual::optimize
