#include "optimize/student_manifest.h"

#include <array>
#include <charconv>
#include <vector>

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

std::string Output(const OutputDeclaration& output) {
  std::string text = "\n[[outputs]]\nname = " + TomlString(output.name) + "\n";
  if (!output.meaning.empty()) text += "meaning = " + TomlString(output.meaning) + "\n";
  if (!output.classes.empty()) text += List("classes", output.classes, TomlString);
  return text;
}

}  // namespace

std::string StudentManifest(const Manifest& model, const StudentView& view, const std::string& description) {
  std::string text = "# Written by punctual optimize.\ndescription = " + TomlString(description) +
                     "\nmax_age_ms = " + std::to_string(model.max_age / std::chrono::milliseconds(1)) + "\n";
  if (view.features) text += Features(*view.features, view.input.name);
  for (const OutputDeclaration& output : model.outputs) text += Output(output);
  return text;
}

}  // namespace punctual::optimize
