// punctual models: what a repository has, and what of it can be served.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "base/clock.h"
#include "cli/commands.h"
#include "cli/models.h"
#include "engine/backend_choices.h"
#include "load/text_table.h"
#include "punctual/engine.h"

namespace punctual {

Result<Engine> OpenToLook(EngineOptions options) {
  options.reload_poll = Duration(0);
  // What the server measured, if it did: to make the file, and its folder, is the server's.
  options.backend_choices = BackendChoicesOf(options);
  if (std::error_code error; !std::filesystem::exists(*options.backend_choices, error)) options.backend_choices = "";
  options.disk_cache.reset();  // nobody asks here
  options.redis.reset();
  return Engine::Open(std::move(options));
}

int ExitCodeOf(const char* command, const Result<bool>& done) {
  if (done.has_value()) return *done ? 0 : 1;
  std::fprintf(stderr, "%s: %s\n", command, done.error().message.c_str());
  return done.error().code == Code::kInvalidArgument || done.error().code == Code::kNotFound ? 2 : 1;
}

namespace {

// Done: all models can be served.
Result<bool> List(const std::string& config) {
  PUNCTUAL_ASSIGN(EngineOptions options, EngineOptionsFromFile(config));
  PUNCTUAL_ASSIGN(const Engine engine, OpenToLook(std::move(options)));
  const std::vector<ModelStatus> models = engine.Models();
  load::TextTable table(
      {"model", "version", "state", "variant", "backend", "device", "p95 us", "runs", "inputs", "outputs"});
  const auto joined = [](const std::vector<std::string>& texts) {
    std::string all;
    for (const std::string& text : texts) all += (all.empty() ? "" : ", ") + text;
    return all;
  };
  for (const ModelStatus& model : models) {
    const bool serving = !model.version.empty();
    table.Add({model.name, serving ? model.version : "-",
               !serving              ? "refused"
               : model.error.empty() ? "serving"
                                     : "serving, newer refused",
               model.variant, model.backend, model.device, serving ? load::Fixed(Microseconds(model.expected), 1) : "-",
               !serving            ? "-"
               : model.runs_inline ? "in place"
                                   : "on workers",
               joined(model.inputs), joined(model.outputs)});
  }
  std::fputs(table.Text().c_str(), stdout);
  for (const ModelStatus& model : models)
    if (!model.backend_reason.empty())
      std::printf("%s runs on %s: %s\n", model.name.c_str(), model.backend.c_str(), model.backend_reason.c_str());
  bool all_well = !models.empty();
  for (const ModelStatus& model : models)
    for (const std::string& error : {model.error, model.student_error})
      if (!error.empty()) {
        all_well = false;
        std::printf("%s: %s\n", model.name.c_str(), error.c_str());
      }
  if (models.empty()) std::printf("the repository has no models; a model is a folder with a model.toml\n");
  return all_well;
}

}  // namespace

void AddModelsCommand(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("models", "What the model repository has, and who is answered by what of it");
  command->require_subcommand(1);
  CLI::App* list = command->add_subcommand("list", "Load every model and show its versions, state and errors");
  const auto config = std::make_shared<std::string>();
  list->add_option("--config", *config, "the configuration, a TOML file")->required();
  list->footer(
      "Example:\n"
      "  punctual models list --config punctual.toml");
  list->callback([config, &exit_code] { exit_code = ExitCodeOf("punctual models list", List(*config)); });
  AddModelsExplainCommand(*command, exit_code);
  command->footer(
      "Examples:\n"
      "  punctual models list --config punctual.toml\n"
      "  punctual models explain --config punctual.toml --user u1");
}

}  // namespace punctual
