#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>

#include "cli/commands.h"

namespace punctual {

int RunProgram(int argc, char** argv) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("punctual"));
  CLI::App app("Answers prediction requests for trading systems in time, and says what the answer is.", "punctual");
  app.set_version_flag("--version", PUNCTUAL_VERSION);
  app.require_subcommand(1);
  app.footer("Example:\n  punctual serve --config punctual.toml\n  punctual COMMAND --help");
  app.failure_message([](const CLI::App*, const CLI::Error& error) {
    return std::string("punctual: ") + error.what() + "\nRun with --help for what there is.\n";
  });
  int exit_code = 0;
  AddServeCommand(app, exit_code);
  AddLoadCommand(app, exit_code);
  AddSimulateCommand(app, exit_code);
  AddReplayCommand(app, exit_code);
  AddModelsCommand(app, exit_code);
  AddCacheCommand(app, exit_code);
  AddOptimizeCommand(app, exit_code);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  return exit_code;
}

}  // namespace punctual
