#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include "cli/commands.h"

namespace punctual {

int RunProgram(int argc, char** argv) {
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is a write that fails, and no end
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
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return exit_code;
  std::fprintf(stderr, "punctual: what it had to say cannot be written: %s\n", std::strerror(errno));
  return exit_code == 0 ? 1 : exit_code;
}

}  // namespace punctual
