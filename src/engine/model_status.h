// What is said of a model: /v1/models, Engine::Models.
#pragma once

#include <string>

#include "model/repository.h"
#include "punctual/engine.h"

namespace punctual {

// `repository`: the folder that the model's own lies in.
ModelStatus StatusOf(const std::string& repository, const std::string& name, const RepositoryEntry& entry);

}  // namespace punctual
