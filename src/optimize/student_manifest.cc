#include "optimize/student_manifest.h"

#include <array>
#include <charconv>
#include <vector>

#include "base/clock.h"
#include "base/config_file.h"
#include "optimize/toml_text.h"

namespace punctual::optimize {
namespace {

constexpr std::size_t kColumnsInLine = 4;

// The shortest decimal that is this very number again, always with a point, so that TOML takes it for a float.
std::string Written(double number) {
  std::array<char, 32> text;
  const auto [end, error] = std::to_chars(text.data(), text.data() + text.size(), number);
  std::string written(text.data(), end);
  if (written.find_first_of(".e") == std::string::npos) written += ".0";
  return written;
}

template <class T, class Text>
std::string List(const std::string& key, const std::vector<T>& values, const Text& text) {
  std::string list = key + " = [";
  for (std::size_t i = 0; i < values.size(); ++i) {
    list += i % kColumnsInLine == 0 ? "\n  " : " ";
    list += text(values[i]) + ",";
  }
  return list + (values.empty() ? "]\n" : "\n]\n");
}

std::string Features(const FeatureSpec& spec, const std::string& input) {
  std::string text = "\n[features]\ninput = " + TomlString(input) + "\nwindow = " + std::to_string(spec.window) +
                     "\nlevels = " + std::to_string(spec.levels) + "\n" + List("columns", spec.columns, TomlString);
  if (!spec.mean.empty()) text += List("mean", spec.mean, Written);
  if (!spec.std.empty()) text += List("std", spec.std, Written);
  if (spec.clip > 0) text += "clip = " + Written(spec.clip) + "\n";
  return text;
}

// What stands in for the model's own answers may stand in for the student's, and nothing else: less its rung of a
// student, and that of answers to other questions, for which the manifest says what it lets differ.
std::string Ladder(const Manifest& model) {
  std::vector<Source> ladder = model.ladder;
  std::erase(ladder, Source::kStudent);
  std::erase(ladder, Source::kSemantic);
  if (ladder == Manifest().ladder) return "";
  std::string text;
  for (const Source rung : ladder) text += (text.empty() ? "" : ", ") + TomlString(SourceName(rung));
  return "ladder = [" + text + "]\n";
}

std::string Output(const OutputDeclaration& output) {
  std::string text = "\n[[outputs]]\nname = " + TomlString(output.name) + "\n";
  if (!output.meaning.empty()) text += "meaning = " + TomlString(output.meaning) + "\n";
  if (!output.classes.empty()) text += List("classes", output.classes, TomlString);
  return text;
}

}  // namespace

std::string StudentManifest(const Manifest& model, const StudentView& view, const std::string& description) {
  std::string text = "# Written by punctual optimize.\ndescription = " + TomlString(description) +
                     "\nmax_age_ms = " + NumberText(Milliseconds(model.max_age)) + "\n";
  if (model.signal_max_age > Duration::zero())
    text += "signal_max_age_ms = " + NumberText(Milliseconds(model.signal_max_age)) + "\n";
  text += Ladder(model);
  if (model.cache_ttl != Manifest().cache_ttl)
    text += "\n[cache]\nttl_ms = " + NumberText(Milliseconds(model.cache_ttl)) + "\n";
  if (view.features) text += Features(*view.features, view.input.name);
  for (const OutputDeclaration& output : model.outputs) text += Output(output);
  return text;
}

}  // namespace punctual::optimize
