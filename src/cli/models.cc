// punctual models: what a repository has, and what of it can be served.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "cli/commands.h"
#include "load/text_table.h"
#include "punctual/engine.h"

namespace punctual {

namespace {

// Loads every model as the server would. Done: all of them can be served.
Result<bool> List(const std::string& config) {
  PUNCTUAL_ASSIGN(EngineOptions options, EngineOptionsFromFile(config));
  options.reload_poll = Duration(0);
  options.disk_cache.reset();  // nobody asks here
  options.redis.reset();
  PUNCTUAL_ASSIGN(const Engine engine, Engine::Open(std::move(options)));
  const std::vector<ModelStatus> models = engine.Models();
  load::TextTable table({"model", "version", "state", "variant", "device", "p95 ms", "runs", "inputs", "outputs"});
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
               model.variant, model.device, serving ? load::Fixed(Milliseconds(model.expected), 3) : "-",
               !serving            ? "-"
               : model.runs_inline ? "in place"
                                   : "on workers",
               joined(model.inputs), joined(model.outputs)});
  }
  std::fputs(table.Text().c_str(), stdout);
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

int Run(const std::string& config) {
  const Result<bool> listed = List(config);
  if (listed.has_value()) return *listed ? 0 : 1;
  std::fprintf(stderr, "punctual models list: %s\n", listed.error().message.c_str());
  return listed.error().code == Code::kInvalidArgument || listed.error().code == Code::kNotFound ? 2 : 1;
}

}  // namespace

void AddModelsCommand(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("models", "What the model repository has");
  command->require_subcommand(1);
  CLI::App* list = command->add_subcommand("list", "Load every model and show its versions, state and errors");
  const auto config = std::make_shared<std::string>();
  list->add_option("--config", *config, "the configuration, a TOML file")->required();
  for (CLI::App* described : {command, list})
    described->footer(
        "Example:\n"
        "  punctual models list --config punctual.toml");
  list->callback([config, &exit_code] { exit_code = Run(*config); });
}

}  // namespace punctual
