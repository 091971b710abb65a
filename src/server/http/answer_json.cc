#include "server/http/answer_json.h"

#include "base/clock.h"
#include "server/http/json_writer.h"

namespace punctual::http {

namespace {

// To the microsecond: what is below is noise, and would be half of the digits.
double RoundedMs(Duration duration) { return static_cast<double>((duration.count() + 500) / 1000) / 1e3; }

// A key that needs no escaping, with what stands before its value.
void AppendKey(std::string& out, std::string_view key) {
  const char last = out.empty() ? '{' : out.back();
  if (last != '{' && last != '[') out += ',';
  out.append("\"").append(key).append("\":");
}
void AppendField(std::string& out, std::string_view key, std::string_view text) {
  AppendKey(out, key);
  AppendJsonText(out, text);
}
template <class T>
void AppendField(std::string& out, std::string_view key, T value) requires std::is_arithmetic_v<T> {
  AppendKey(out, key);
  if constexpr (std::is_same_v<T, bool>)
    out += value ? "true" : "false";
  else
    AppendJsonNumber(out, value);
}

// Row-major `values` as lists nested as `shape` from dimension `at` on.
template <class T>
void AppendNested(std::string& out, std::span<const std::int64_t> shape, std::size_t at, const T*& values) {
  if (at == shape.size()) {
    AppendJsonNumber(out, *values++);
    return;
  }
  out += '[';
  for (std::int64_t i = 0; i < shape[at]; ++i) {
    if (i != 0) out += ',';
    AppendNested(out, shape, at + 1, values);
  }
  out += ']';
}

// A batch of one is no batch: its dimension is left out.
template <class T>
void AppendValues(std::string& out, const OutputView& output) {
  const T* values = output.values<T>().data();
  AppendNested(out, output.shape, output.shape.size() > 1 && output.shape[0] == 1 ? 1 : 0, values);
}

void AppendTensor(std::string& out, const OutputView& output) {
  switch (output.dtype) {
    case DType::kFloat32: AppendValues<float>(out, output); break;
    case DType::kFloat64: AppendValues<double>(out, output); break;
    case DType::kInt32: AppendValues<std::int32_t>(out, output); break;
    case DType::kInt64: AppendValues<std::int64_t>(out, output); break;
  }
}

void AppendTrace(std::string& out, std::uint64_t trace) {
  constexpr std::string_view kHex = "0123456789abcdef";
  AppendKey(out, "trace");
  out += '"';
  for (int shift = 60; shift >= 0; shift -= 4) out += kHex[(trace >> shift) & 15];
  out += '"';
}

void AppendTexts(std::string& out, std::string_view key, const std::vector<std::string>& texts) {
  AppendKey(out, key);
  out += '[';
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i != 0) out += ',';
    AppendJsonText(out, texts[i]);
  }
  out += ']';
}

void AppendCounts(std::string& out, std::string_view key, const std::map<std::string, std::uint64_t>& counts) {
  AppendKey(out, key);
  out += '{';
  for (const auto& [name, count] : counts) AppendField(out, name, count);
  out += '}';
}

void AppendSemantic(std::string& out, const SemanticStatus& semantic) {
  AppendKey(out, "semantic");
  out += '{';
  AppendField(out, "kind", semantic.kind);
  AppendField(out, "on", semantic.on);
  if (semantic.kind == "approximate") {
    AppendField(out, "audit_share", semantic.audit_share);
    AppendField(out, "audited", semantic.audited);
    AppendField(out, "differed", semantic.differed);
    AppendField(out, "summary", semantic.summary);
  }
  out += '}';
}

void AppendShadow(std::string& out, const ShadowStatus& shadow) {
  AppendKey(out, "shadow");
  out += '{';
  AppendField(out, "share", shadow.share);
  for (const auto& [name, variant] : shadow.variants) {
    AppendKey(out, name);
    out += '{';
    AppendField(out, "compared", variant.compared);
    AppendField(out, "differed", variant.differed);
    AppendField(out, "dropped", variant.dropped);
    AppendField(out, "mean_difference", variant.mean_difference);
    out += '}';
  }
  out += '}';
}

}  // namespace

int HttpStatus(Code code) {
  switch (code) {
    case Code::kOk: return 200;
    case Code::kInvalidArgument:
    case Code::kOutOfRange:
    case Code::kFailedPrecondition: return 400;
    case Code::kUnauthenticated: return 401;
    case Code::kPermissionDenied: return 403;
    case Code::kNotFound: return 404;
    case Code::kAlreadyExists: return 409;
    case Code::kResourceExhausted: return 429;
    case Code::kUnavailable: return 503;
    case Code::kDeadlineExceeded: return 504;
    case Code::kInternal: return 500;
  }
  return 500;
}

void AppendPrediction(std::string& out, const Prediction& prediction) {
  out += R"({"outputs":{)";
  for (const OutputView output : prediction.outputs) {
    if (out.back() != '{') out += ',';
    AppendJsonText(out, output.name);
    out += ':';
    AppendTensor(out, output);
  }
  out += '}';
  if (prediction.identity != nullptr) {
    AppendField(out, "model", prediction.identity->model);
    AppendField(out, "version", prediction.identity->version);
    AppendField(out, "variant", prediction.identity->variant);
  }
  AppendField(out, "source", SourceName(prediction.source));
  AppendField(out, "degraded", prediction.degraded);
  if (!prediction.reason.empty()) AppendField(out, "reason", prediction.reason);
  if (prediction.approximate) AppendField(out, "approximate", true);
  if (prediction.as_of) {
    out += R"(,"as_of":{)";
    AppendField(out, "seq", prediction.as_of->sequence);
    AppendField(out, "time_ns", prediction.as_of->time_ns);
    out += '}';
  }
  if (prediction.age) AppendField(out, "age_ms", RoundedMs(*prediction.age));
  AppendField(out, "deadline_ms", RoundedMs(prediction.budget));
  AppendField(out, "elapsed_ms", RoundedMs(prediction.elapsed));
  if (prediction.queued) AppendField(out, "queue_ms", RoundedMs(*prediction.queued));
  if (prediction.inference) AppendField(out, "inference_ms", RoundedMs(*prediction.inference));
  AppendTrace(out, prediction.trace);
  out += '}';
}

void AppendError(std::string& out, const Error& error) {
  out += R"({"error":{)";
  AppendField(out, "code", CodeName(error.code));
  AppendField(out, "message", std::string_view(error.message));
  // Rounded up: whoever waits for so long must not come a moment too early.
  if (error.retry_after > Duration::zero())
    AppendField(out, "retry_after_ms",
                static_cast<double>(std::chrono::ceil<std::chrono::microseconds>(error.retry_after).count()) / 1e3);
  out += "}}";
}

void AppendModels(std::string& out, const std::vector<ModelStatus>& models) {
  out += R"({"models":[)";
  for (const ModelStatus& model : models) {
    if (out.back() != '[') out += ',';
    out += '{';
    AppendField(out, "name", model.name);
    AppendField(out, "folder", model.folder);
    AppendField(out, "version", model.version);
    AppendField(out, "variant", model.variant);
    AppendField(out, "backend", model.backend);
    if (!model.backend_reason.empty()) AppendField(out, "backend_reason", model.backend_reason);
    AppendField(out, "device", model.device);
    AppendField(out, "serving", !model.version.empty());
    if (!model.error.empty()) AppendField(out, "error", model.error);
    AppendField(out, "runs_inline", model.runs_inline);
    AppendField(out, "typical_us", Microseconds(model.typical));
    AppendField(out, "expected_us", Microseconds(model.expected));
    if (model.largest_batch > 1) AppendField(out, "largest_batch", model.largest_batch);
    if (!model.health.empty()) AppendField(out, "left_alone", model.health);
    if (!model.student.empty()) AppendField(out, "student", model.student);
    if (!model.student_error.empty()) AppendField(out, "student_error", model.student_error);
    AppendTexts(out, "inputs", model.inputs);
    AppendTexts(out, "outputs", model.outputs);
    if (model.semantic) AppendSemantic(out, *model.semantic);
    if (model.shadow) AppendShadow(out, *model.shadow);
    out += '}';
  }
  out += "]}";
}

namespace {

void AppendPurge(std::string& out, const PurgeStatus& purge) {
  const auto append = [&out](const char* name, const PurgeLayerStatus& layer) {
    AppendKey(out, name);
    out += '{';
    const char* state = layer.state == PurgeState::kRunning ? "running"
                        : layer.state == PurgeState::kDone  ? "done"
                                                            : "failed";
    AppendField(out, "state", state);
    AppendField(out, "dropped", layer.dropped);
    if (!layer.error.empty()) AppendField(out, "error", layer.error);
    if (!layer.waits_for.empty()) AppendField(out, "waits_for", layer.waits_for);
    out += '}';
  };
  out += '{';
  AppendField(out, "id", purge.id);
  AppendField(out, "what", purge.what);
  AppendField(out, "running", purge.running);
  append("memory", purge.memory);
  if (purge.disk) append("disk", *purge.disk);
  if (purge.redis) append("redis", *purge.redis);
  out += '}';
}

}  // namespace

void AppendCacheStats(std::string& out, const CacheStats& stats) {
  const auto append_look_ups = [&out](const CacheLookUps& look_ups, bool redis) {
    AppendField(out, "hits", look_ups.hits);
    AppendField(out, "misses", look_ups.misses);
    if (!redis) return;
    AppendField(out, "timeouts", look_ups.timeouts);
    AppendField(out, "errors", look_ups.errors);
    AppendField(out, "skipped", look_ups.skipped);
  };
  out += R"({"memory":{)";
  append_look_ups(stats.memory.look_ups, false);
  AppendField(out, "entries", stats.memory.entries);
  AppendField(out, "bytes", stats.memory.bytes);
  AppendField(out, "limit_bytes", stats.memory.limit_bytes);
  AppendField(out, "evictions", stats.memory.evictions);
  AppendField(out, "expirations", stats.memory.expirations);
  AppendField(out, "refused", stats.memory.refused);
  AppendField(out, "warmed", stats.memory.warmed);
  out += '}';
  if (stats.disk) {
    out += R"(,"disk":{)";
    append_look_ups(stats.disk->look_ups, false);
    AppendField(out, "entries", stats.disk->entries);
    AppendField(out, "bytes", stats.disk->bytes);
    AppendField(out, "limit_bytes", stats.disk->limit_bytes);
    AppendField(out, "queued", stats.disk->queued);
    AppendField(out, "writes", stats.disk->writes);
    AppendField(out, "dropped", stats.disk->dropped);
    AppendField(out, "failed", stats.disk->failed);
    AppendField(out, "evictions", stats.disk->evictions);
    AppendField(out, "expirations", stats.disk->expirations);
    AppendField(out, "slow_look_ups", stats.disk->slow_look_ups);
    AppendField(out, "resting", stats.disk->resting);
    AppendCounts(out, "faults", stats.disk->faults);
    if (!stats.disk->last_error.empty()) AppendField(out, "last_error", stats.disk->last_error);
    out += '}';
  }
  if (stats.redis) {
    out += R"(,"redis":{)";
    append_look_ups(stats.redis->look_ups, true);
    AppendField(out, "outstanding", stats.redis->outstanding);
    AppendField(out, "writes", stats.redis->writes);
    AppendField(out, "dropped", stats.redis->dropped);
    AppendField(out, "failed", stats.redis->failed);
    AppendField(out, "connects", stats.redis->connects);
    AppendField(out, "connects_failed", stats.redis->connects_failed);
    AppendCounts(out, "faults", stats.redis->faults);
    AppendKey(out, "nodes");
    out += '[';
    for (const RedisNodeStatus& node : stats.redis->nodes) {
      if (out.back() != '[') out += ',';
      out += '{';
      AppendField(out, "address", node.address);
      AppendField(out, "role", node.role);
      AppendField(out, "state", node.state);
      AppendField(out, "outstanding", node.outstanding);
      AppendField(out, "look_up_ms", RoundedMs(node.look_up_time));
      if (!node.last_error.empty()) {
        AppendField(out, "last_error", node.last_error);
        AppendField(out, "last_error_age_ms", RoundedMs(node.last_error_age));
      }
      out += '}';
    }
    out += "]}";
  }
  AppendField(out, "purges_running", stats.purges_running);
  AppendKey(out, "purges");
  out += '[';
  for (const PurgeStatus& purge : stats.purges) {
    if (out.back() != '[') out += ',';
    AppendPurge(out, purge);
  }
  out += "]}";
}

void AppendPurgeBegun(std::string& out, const PurgeStatus& purge) {
  out += '{';
  AppendField(out, "id", purge.id);
  AppendField(out, "dropped_from_memory", purge.memory.dropped);
  out += '}';
}

namespace {

void AppendRequestLog(std::string& out, const RequestLogStats& log) {
  AppendKey(out, "request_log");
  out += '{';
  AppendField(out, "directory", log.directory);
  AppendField(out, "share", log.share);
  AppendField(out, "logged", log.logged);
  AppendField(out, "dropped", log.dropped);
  AppendField(out, "failed", log.failed);
  if (!log.last_error.empty()) AppendField(out, "last_error", log.last_error);
  out += '}';
}

}  // namespace

void AppendStats(std::string& out, const EngineStats& stats) {
  out += R"({"tiers":{)";
  for (const TierStats& tier : stats.tiers) {
    if (out.back() != '{') out += ',';
    AppendJsonText(out, tier.tier);
    out += ":{";
    AppendField(out, "budget_ms", RoundedMs(tier.budget));
    AppendField(out, "answered", tier.answered);
    AppendField(out, "unanswered", tier.unanswered);
    AppendField(out, "within_budget", tier.within_budget);
    AppendField(out, "p50_ms", tier.p50_ms);
    AppendField(out, "p99_ms", tier.p99_ms);
    AppendField(out, "p999_ms", tier.p999_ms);
    AppendField(out, "max_ms", tier.max_ms);
    out += '}';
  }
  out += '}';
  AppendCounts(out, "sources", stats.sources);
  AppendCounts(out, "errors", stats.errors);
  AppendKey(out, "cache");
  AppendCacheStats(out, stats.cache);
  if (stats.request_log) AppendRequestLog(out, *stats.request_log);
  out += R"(,"market":{)";
  AppendField(out, "snapshots", stats.snapshots);
  AppendField(out, "symbols", stats.symbols);
  out += R"(},"workers":{)";
  AppendField(out, "threads", stats.workers);
  AppendField(out, "queued", stats.queued);
  out += '}';
  AppendField(out, "reply_cost_p9999_us", stats.reply_cost_p9999_us);
  out += '}';
}

}  // namespace punctual::http
