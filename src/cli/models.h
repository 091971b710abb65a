// What the commands below `punctual models` share. Not thread-safe.
#pragma once

#include "punctual/engine.h"

namespace CLI {
class App;
}

namespace punctual {

// Opens an engine that loads every model as the server would, to be looked at: it has no layers of the cache but the
// memory, and makes no file. Errors as of Engine::Open.
Result<Engine> OpenToLook(EngineOptions options);

// The exit code of a command that came to `done`: all is well, or not. Says errors on standard error, after the name of
// the command.
int ExitCodeOf(const char* command, const Result<bool>& done);

// `punctual models explain`.
void AddModelsExplainCommand(CLI::App& models, int& exit_code);

}  // namespace punctual
