// The search for a model's student: from the recorded data to a folder's files, with what it was chosen from.
#pragma once

#include <boost/json/array.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "optimize/read_data.h"
#include "optimize/samples.h"
#include "optimize/subject.h"
#include "optimize/time_student.h"
#include "optimize/work_folder.h"
#include "punctual/result.h"

namespace punctual::optimize {

// A size that was tried; distill.h.
struct StudentTrial {
  std::string description;  // "perceptron 64-32, from newest row"
  double took_us = 0;       // features included
  bool fits = false;        // took_us is within the budget
  double fidelity = 0;      // on the samples that it was searched on; 0 for those that do not fit
};

struct StudentSearch {
  std::string failure;  // why there is none; empty: there is one
  std::string description;
  std::string manifest, onnx;  // of the student's own folder
  StudentTime time, of_model;  // of an answer, features included; and of its model's
  Samples questions;           // what it sees of the held-out samples, in their order
  std::vector<StudentTrial> trials;
};

struct StudentSearchRequest {
  const Subject& subject;
  const Samples& samples;
  const DataFiles& data;  // that the samples were read from
  const Parts& parts;
  const Answers& of_fit;     // the model's answers to parts.fit, in their order
  const Answers& of_search;  // and to parts.search
  double budget_us = 50;
  std::uint64_t seed = 1;
  // Called with what is being done, and how far it is. May be empty.
  std::function<void(const std::string& what, std::size_t done, std::size_t of)> progress;
};

// As the report has them and the work folder keeps them: {"student","took_us","fits","fidelity"}, fidelity null for
// those that do not fit.
boost::json::array JsonOf(const std::vector<StudentTrial>& trials);

// Students see rows of the model's own input, or columns that say much of a book in few numbers; all are trained on
// parts.fit and what the model says between and beside those samples, and the most faithful on parts.search is taken.
// What was found is kept in `work`, and read from there by the next run. That there can be none (a model of several
// inputs, answers that never change, none quick enough) is no error, but a `failure`; errors are those of
// the disk. Takes minutes.
Result<StudentSearch> FindStudent(const StudentSearchRequest& request, WorkFolder& work);

}  // namespace punctual::optimize
