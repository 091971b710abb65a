// What `punctual optimize` found: every figure of its report. Plain values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/digest.h"
#include "optimize/int8_search.h"
#include "optimize/machine.h"
#include "optimize/student_search.h"
#include "optimize/tier_choice.h"
#include "optimize/variant_run.h"

namespace punctual::optimize {

struct VariantFile {
  std::string variant;
  std::size_t bytes = 0;
  Digest digest;
};

// What became of a variant.
struct Standing {
  bool passed = false;   // by every backend that can run it, one at least
  bool quicker = false;  // its quickest backend than the model's own quickest; a student: in half of the model's time
};

// The folder of a variant that is served beside the model, under a name of its own: "mlp-student", "mlp-int8".
inline std::string NameBeside(const std::string& model, const std::string& variant) { return model + "-" + variant; }

struct Optimization {
  // What was asked.
  std::string model_folder, model, version, out;
  std::vector<std::string> data_files;
  std::string labels_file;
  std::vector<Tier> tiers;  // by rising budget
  double max_accuracy_drop = 0, student_budget_us = 0, max_student_accuracy_drop = 0;
  std::uint64_t seed = 0;
  Digest run;  // of the model, the data and the options
  // What it was found on.
  std::string output;                // that was judged
  std::vector<std::string> classes;  // what its numbers are called; empty: not said
  std::string reference_backend;     // that computed the model's answers
  std::vector<std::string> symbols;
  std::size_t samples = 0, fit = 0, search = 0, held_out = 0;
  std::size_t labelled = 0;                     // of `held_out`; without labels 0
  std::vector<std::string> unlabelled_symbols;  // of which none is
  std::uint64_t gap = 0;                        // snapshots between the parts, at least
  Digest data;
  Machine machine;
  // What was found.
  std::vector<VariantFile> files;  // the model's own first
  Int8Search int8;
  StudentSearch student;
  std::vector<VariantRun> runs;  // those of the model's own file first
  Standing int8_standing, bf16_standing, student_standing;
  std::string serves;               // the variant that the model's own folder was made to serve
  std::string student_name;         // of the student's folder beside it; empty: there is none
  std::vector<TierChoice> choices;  // for each of `tiers`
  // Folders inside of `out` to be copied into a server's repository; empty: nothing that was made is to be served.
  std::vector<std::string> to_serve;
  std::string verdict;             // a sentence or two
  std::vector<std::string> notes;  // what one should know besides
};

}  // namespace punctual::optimize
