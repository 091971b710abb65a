// Answers in JSON, appended to a string that the caller reuses. docs/http-api.md describes each.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "punctual/engine.h"

namespace punctual::http {

// The status that belongs to a code: gRPC's own mapping to HTTP.
int HttpStatus(Code code);

void AppendPrediction(std::string& out, const Prediction& prediction);
// {"error":{"code":"NOT_FOUND","message":"..."}}, and "retry_after_ms" where that is known.
void AppendError(std::string& out, const Error& error);
void AppendModels(std::string& out, const std::vector<ModelStatus>& models);
void AppendPurgeBegun(std::string& out, const PurgeStatus& purge);
void AppendCacheStats(std::string& out, const CacheStats& stats);
void AppendStats(std::string& out, const EngineStats& stats);

}  // namespace punctual::http
