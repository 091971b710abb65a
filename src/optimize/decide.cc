#include "optimize/decide.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "optimize/calibration_error.h"
#include "optimize/printed_number.h"
#include "optimize/toml_text.h"

namespace punctual::optimize {

namespace {

// What loses right answers must be quicker by so much to be served, and by more than medians differ from run to run
// (5 % on a quiet virtual machine): else the choice would flip. Where the machine had other work, by so much, and a
// student, which loses more, by so much.
constexpr double kQuicker = 0.8, kQuickerBusy = 0.7, kQuickerStudent = 0.5;
constexpr double kBusy = 1.5;  // load; 1 is this program's own
// Fewer disagreements than this say little of how many there will be (block_bootstrap.h).
constexpr double kFewErrors = 10;

class Decision {
 public:
  Decision(const Subject& subject, Optimization& found) : subject_(subject), found_(found) {}

  std::vector<MadeModel> Run() {
    const std::string& own = subject_.folder.manifest.variant;
    found_.int8_standing = StandingOf("int8");
    found_.bf16_standing = StandingOf("bf16");
    found_.student_standing = StandingOf("student");
    found_.student_standing.quicker =
        found_.student.time.typical_us <= kQuickerStudent * found_.student.of_model.typical_us;
    found_.serves = own;
    if (MayServe("int8", found_.int8_standing)) found_.serves = "int8";
    if (MayServe("bf16", found_.bf16_standing) && MedianUs("bf16") < MedianUs(found_.serves)) found_.serves = "bf16";
    if (found_.student_standing.passed) found_.student_name = NameBeside(found_.model, "student");
    models_.push_back({found_.model, found_.serves, MakeManifest()});
    found_.choices = ChooseForTiers(found_.tiers, found_.runs);
    for (TierChoice& choice : found_.choices) choice.model = ModelToAsk(choice);
    found_.to_serve = ToServe(own);
    found_.verdict = Verdict(own);
    NoteStudentElsewhere();
    NoteWhatTiersAsk();
    return std::move(models_);
  }

 private:
  // The median, warm, of a variant by the backend that a server takes. Infinite: none can run it.
  double MedianUs(const std::string& variant) const {
    const auto served = ServedRun(found_.runs, variant);
    return served ? found_.runs[*served].latency.warm.p50_us : std::numeric_limits<double>::infinity();
  }

  double Enough() const { return found_.machine.load > kBusy ? kQuickerBusy : kQuicker; }

  Standing StandingOf(const std::string& variant) const {
    return {HasPassed(found_.runs, variant), MedianUs(variant) < Enough() * MedianUs(subject_.folder.manifest.variant)};
  }

  // Passed, quicker, and the manifest may say so.
  bool MayServe(const std::string& variant, const Standing& standing) {
    if (!standing.passed || !standing.quicker) return false;
    if (ManifestTakes(variant)) return true;
    found_.notes.push_back("The manifest is written so that variant = \"" + variant +
                           "\" cannot be put into it: it stays as it is; write that into it to serve the variant.");
    return false;
  }

  bool ManifestTakes(const std::string& variant) const {
    const auto manifest = ParseManifest(WithVariant(subject_.folder.manifest_text, variant), "model.toml");
    return manifest.has_value() && manifest->variant == variant;
  }

  // The model's own, with what changes. One that has a student or a ladder of its own keeps them.
  std::string MakeManifest() {
    const ModelFolder& folder = subject_.folder;
    const std::string manifest = found_.serves == folder.manifest.variant
                                     ? folder.manifest_text
                                     : WithVariant(folder.manifest_text, found_.serves);
    if (found_.student_name.empty()) return manifest;
    student_is_named_ = folder.manifest.student == found_.student_name;
    if (student_is_named_ || !found_.student_standing.quicker) return manifest;
    const std::string named = WithStudent(manifest, found_.student_name);
    const auto parsed = ParseManifest(named, "model.toml");
    student_is_named_ = folder.manifest.student.empty() && parsed.has_value() && parsed->student == found_.student_name;
    if (student_is_named_) return named;
    found_.notes.push_back(
        "The manifest " +
        (folder.manifest.student.empty() ? std::string("has a ladder without a student")
                                         : "names the student \"" + folder.manifest.student + "\" already") +
        ": it stays as it is; to use the new one, write student = " + TomlString(found_.student_name) +
        " into it, and \"student\" into its ladder if it has one.");
    return manifest;
  }

  // Nobody else where what the model's folder serves has room, though something more faithful may have room as well.
  std::string ModelToAsk(const TierChoice& choice) {
    if (!choice.run || HasRoom(found_.runs, found_.serves, choice.tier.budget_ms)) return "";
    const std::string& variant = found_.runs[*choice.run].variant;
    if (variant == "student") return found_.student_name;
    const std::string name = NameBeside(found_.model, variant);
    if (std::any_of(models_.begin(), models_.end(), [&](const MadeModel& made) { return made.name == name; }))
      return name;
    const std::string why_not = !ManifestTakes(variant) ? "the manifest is written so that it cannot be put into it"
                                : subject_.folder.manifest.student == name ? name + " is the model's student"
                                                                           : "";
    if (why_not.empty()) {
      models_.push_back({name, variant, WithVariant(models_.front().manifest, variant)});
      return name;
    }
    const std::string note = "No folder with variant = \"" + variant + "\" is made for tiers: " + why_not +
                             "; copy the model's folder under another name, and write that into its model.toml.";
    if (std::find(found_.notes.begin(), found_.notes.end(), note) == found_.notes.end()) found_.notes.push_back(note);
    return "";
  }

  bool StudentStandsIn() const { return student_is_named_ && found_.student_standing.quicker; }

  // The model's folder, if another variant is served or a quicker student stands behind it; the student's, if it does;
  // and those that a tier's users have to ask.
  std::vector<std::string> ToServe(const std::string& own) const {
    std::vector<std::string> folders;
    if (found_.serves != own || StudentStandsIn()) folders.push_back(found_.model);
    if (StudentStandsIn()) folders.push_back(found_.student_name);
    for (const TierChoice& choice : found_.choices)
      if (!choice.model.empty() && std::find(folders.begin(), folders.end(), choice.model) == folders.end())
        folders.push_back(choice.model);
    return folders;
  }

  void NoteStudentElsewhere() {
    const std::string& student = subject_.folder.manifest.student;
    if (student.empty() || student == found_.student_name) return;
    found_.notes.push_back("The manifest names the student \"" + student +
                           "\", which is not in the new folder: a server whose repository that is has no student for "
                           "the model until you copy it there.");
  }

  // Lines of an earlier run, or somebody's own: a server follows them, whatever is found here. Of a tier that nothing
  // here is for, nothing can be said.
  void NoteWhatTiersAsk() {
    for (const TierChoice& choice : found_.choices)
      for (const std::string& asked : choice.tier.asks)
        if (IsBeside(asked) && asked != choice.model &&
            (!choice.model.empty() || HasRoom(found_.runs, found_.serves, choice.tier.budget_ms)))
          found_.notes.push_back("The configuration lets users of the tier " + choice.tier.name + " ask " + asked +
                                 ", which by these figures they need not: they do until that line is taken out.");
  }

  bool IsBeside(const std::string& name) const {
    for (const char* variant : {"fp32", "bf16", "int8", "student"})
      if (name == NameBeside(found_.model, variant)) return true;
    return false;
  }

  std::string Verdict(const std::string& own) const {
    std::string text = WhatToServe(own) + " " +
                       (found_.int8.failure.empty() ? VariantVerdict("int8", own, found_.int8_standing)
                                                    : "There is no int8 file: " + found_.int8.failure + ".");
    if (own != "bf16" && std::isfinite(MedianUs("bf16")))
      text += " " + VariantVerdict("bf16", own, found_.bf16_standing);
    return text + " " + StudentVerdict() + TiersVerdict(own);
  }

  // What a person looks for first.
  std::string WhatToServe(const std::string& own) const {
    const std::string what = found_.serves == own ? "the model as it is, in " + own : found_.serves;
    return "Serve " + what + (StudentStandsIn() ? ", with the student beside it." : ".");
  }

  // A sentence for each choice, of the tiers that share it.
  std::string TiersVerdict(const std::string& own) const {
    std::string text;
    for (std::size_t begin = 0; begin < found_.choices.size();) {
      std::vector<Tier> tiers;
      const TierChoice& first = found_.choices[begin];
      for (; begin < found_.choices.size(); ++begin) {
        const TierChoice& choice = found_.choices[begin];
        if (choice.run != first.run || choice.model != first.model) break;
        tiers.push_back(choice.tier);
      }
      text += " " + TiersSentence(own, first, tiers);
    }
    return text;
  }

  // `tiers`: those of the choice.
  std::string TiersSentence(const std::string& own, const TierChoice& choice, const std::vector<Tier>& tiers) const {
    const std::string fits = "fits " + TextOf(tiers) + " with room";
    if (!choice.run) return "Nothing that passed " + fits + ".";
    const VariantRun& run = found_.runs[*choice.run];
    if (run.variant == own && found_.serves == own) return "The model itself " + fits + ", by " + run.backend + ".";
    const std::string which = run.variant == "student"
                                  ? "Only the student " + fits
                                  : "The most faithful that " + fits + " is " + run.variant + " by " + run.backend;
    if (!choice.model.empty())
      return which + ": the lines for the server's configuration let them ask " + choice.model + ".";
    if (run.variant == found_.serves) return which + ", which is served.";
    if (HasRoom(found_.runs, found_.serves, tiers.front().budget_ms))
      return which + "; " + found_.serves + ", which is served, fits as well.";
    return which + ".";
  }

  std::string VariantVerdict(const std::string& variant, const std::string& own, const Standing& standing) const {
    if (!standing.passed) return variant + " did not pass the gate (" + WhyNot(variant) + ").";
    const std::string took = MicrosecondsText(MedianUs(variant)) + " µs where the model takes " +
                             MicrosecondsText(MedianUs(own)) + " (medians, warm)";
    if (standing.quicker) return variant + " passed the gate and takes " + took + ".";
    return variant + " passed the gate but takes " + took + "; to be served it has to take " +
           Printed(100 * (1 - Enough()), "%.0f") + " % less" +
           (found_.machine.load > kBusy ? ", as the machine had other work." : ".");
  }

  // The first backend by which it failed; by how much is said beside the run.
  std::string WhyNot(const std::string& variant) const {
    for (const VariantRun& run : found_.runs)
      if (run.variant == variant && run.counts() && !run.passed) return "by " + run.backend;
    return "no backend can run it";
  }

  std::string StudentVerdict() const {
    const StudentSearch& student = found_.student;
    if (!student.failure.empty()) return "There is no student: " + student.failure + ".";
    const std::string what = "The student (" + student.description + ") ";
    if (!found_.student_standing.passed)
      return what + "did not pass the gate (" + WhyNot("student") + "): it is left out.";
    const std::string times = "an answer takes " + MicrosecondsText(student.time.typical_us) + " µs instead of " +
                              MicrosecondsText(student.of_model.typical_us) +
                              (subject_.plan ? ", features included" : "");
    if (!found_.student_standing.quicker)
      return what + "passed the gate, but " + times + "; to stand in it has to take half as long. " +
             (student_is_named_
                  ? "The model names " + found_.student_name +
                        " already: copied over that, or served from the new folder, it stands in all the same."
                  : "It lies beside the model, which does not name it.");
    return what + "passed the gate" +
           (student_is_named_ ? ": it stands in where time is short, as " + found_.student_name
                              : " and lies beside the model, which does not name it") +
           "; " + times + ".";
  }

  const Subject& subject_;
  Optimization& found_;
  std::vector<MadeModel> models_;
  bool student_is_named_ = false;  // in the first one's manifest
};

class Notes {
 public:
  Notes(const Subject& subject, Optimization& found) : subject_(subject), found_(found) {}

  void Run(const Answers& held_out) {
    if (held_out.width > 1) {
      const std::size_t first = LargestOf(held_out[0]);
      bool one = true;
      for (std::size_t i = 1; i < held_out.count() && one; ++i) one = LargestOf(held_out[i]) == first;
      if (one)
        found_.notes.push_back("The model gave the same class (" +
                               (first < found_.classes.size() ? found_.classes[first] : std::to_string(first)) +
                               ") to all held-out samples: that a variant agrees says little.");
    }
    NoteLayersInFloat();
    NoteFewErrors();
    NoteLabels();
    if (subject_.outputs.size() > 1)
      found_.notes.push_back("Only the output \"" + found_.output + "\" was judged, the first of " +
                             std::to_string(subject_.outputs.size()) + ".");
    if (!subject_.plan)
      found_.notes.push_back(
          "Nobody says how many samples share what they saw: neighbours may lie on both sides of a "
          "border between the parts, and figures may be too good.");
    if (found_.machine.load > kBusy)
      found_.notes.push_back("The machine had other work (load " + Printed(found_.machine.load, "%.1f") +
                             ", 1 of it this program's own): latencies are too long, also in how they compare.");
    if (found_.int8.failure.empty() && !found_.int8.good_enough)
      found_.notes.push_back(
          "No int8 file was as faithful on the search part as was asked: it is the best of what was tried.");
  }

 private:
  void NoteLayersInFloat() {
    if (!found_.int8.failure.empty()) return;
    std::size_t layers = 0, weights = 0, all = 0;
    for (const LayerReport& layer : found_.int8.file().layers) {
      all += layer.weights;
      if (layer.reason != kLeftInFloat) continue;
      ++layers;
      weights += layer.weights;
    }
    if (layers == 0) return;
    found_.notes.push_back(
        std::to_string(layers) + " of the int8 file's " + std::to_string(found_.int8.file().layers.size()) +
        " layers (" +
        Printed(100 * static_cast<double>(weights) / std::max<double>(1, static_cast<double>(all)), "%.0f") +
        " % of the weights) " + (layers == 1 ? "stays" : "stay") +
        " in float to be as faithful as --max-accuracy-drop asks.");
  }

  void NoteLabels() {
    if (found_.labels_file.empty() || found_.labelled == found_.held_out) return;
    std::string symbols;
    for (const std::string& symbol : found_.unlabelled_symbols) symbols += (symbols.empty() ? "" : ", ") + symbol;
    found_.notes.push_back("Of the " + std::to_string(found_.held_out) + " held-out samples " +
                           std::to_string(found_.labelled) + " have a label" +
                           (symbols.empty() ? "" : ", none of " + symbols) + ": they alone tell right from wrong.");
  }

  void NoteFewErrors() {
    for (const VariantRun& run : found_.runs) {
      if (run.variant != "int8" || !run.fidelity || !run.fidelity->classes) continue;
      const Agreement& agreement = run.fidelity->classes->agreement;
      const double errors = std::round((1 - agreement.share->value) * static_cast<double>(agreement.samples));
      if (errors >= kFewErrors) continue;
      const double upper = 3 / static_cast<double>(agreement.samples);
      found_.notes.push_back(
          "int8 by " + run.backend + " gave another class to " + Printed(errors, "%.0f") + " of " +
          std::to_string(agreement.samples) + " held-out samples: too few for a trustworthy interval" +
          (errors == 0
               ? " (were they independent, the true share could still be " + Printed(100 * upper, "%.3f") + " %)"
               : "") +
          ".");
    }
  }

  const Subject& subject_;
  Optimization& found_;
};

}  // namespace

std::vector<MadeModel> Decide(const Subject& subject, Optimization& found) { return Decision(subject, found).Run(); }

void AddNotes(const Subject& subject, const Answers& held_out, Optimization& found) {
  Notes(subject, found).Run(held_out);
}

}  // namespace punctual::optimize
