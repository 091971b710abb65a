// The program's commands: a file each. Every function adds its command to the program; when the command was chosen and
// has run, `exit_code` is 0 (done), 1 (the job failed) or 2 (wrong usage). Both must outlive the parsing.
#pragma once

namespace CLI {
class App;
}

namespace punctual {

// The whole program: gives its exit code.
int RunProgram(int argc, char** argv);

void AddServeCommand(CLI::App& app, int& exit_code);
void AddLoadCommand(CLI::App& app, int& exit_code);
void AddSimulateCommand(CLI::App& app, int& exit_code);
void AddReplayCommand(CLI::App& app, int& exit_code);
void AddModelsCommand(CLI::App& app, int& exit_code);
void AddCacheCommand(CLI::App& app, int& exit_code);
void AddOptimizeCommand(CLI::App& app, int& exit_code);

}  // namespace punctual
