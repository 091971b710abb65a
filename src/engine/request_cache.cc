#include "engine/request.h"

// The rungs of the cache, and what is kept there.
namespace punctual {

namespace {

LookUpResult ResultOf(RedisLookUp look_up) {
  switch (look_up) {
    case RedisLookUp::kHit: return LookUpResult::kHit;
    case RedisLookUp::kMiss: return LookUpResult::kMiss;
    case RedisLookUp::kTimeout: return LookUpResult::kTimeout;
    case RedisLookUp::kError: return LookUpResult::kError;
    case RedisLookUp::kSkipped: return LookUpResult::kSkipped;
  }
  return LookUpResult::kError;
}

}  // namespace

const std::optional<CacheKey>& Request::LayerKey() {
  if (has_layer_key_) return layer_key_;
  has_layer_key_ = true;
  layer_key_ = question_.key;
  if (question_.key && question_.model->input_codes() != nullptr) {
    const auto key = KeyOfCodes(question_, KeyMaker::Codes::kExact, services_.cache.keys());
    layer_key_ = key.has_value() ? std::optional(*key) : std::nullopt;
  }
  return layer_key_;
}

const std::optional<CacheKey>& Request::CellKey() {
  if (has_cell_key_) return cell_key_;
  has_cell_key_ = true;
  if (question_.key && question_.model->input_grid() != nullptr)
    if (const auto key = KeyOfCodes(question_, KeyMaker::Codes::kApproximate, services_.cache.keys()); key.has_value())
      cell_key_ = *key;
  return cell_key_;
}

Request::RungReport Request::TryMemory() {
  if (!question_.key) return Missed(Source::kL1);
  const TimePoint now = services_.clock.Now();
  CachedAnswer found;
  bool hit = services_.cache.GetMemory(*question_.key, now, found);
  // Another question may have had the same codes. The next time this one is asked its own key finds it.
  if (!hit && question_.model->input_codes() != nullptr && LayerKey() &&
      services_.cache.GetMemory(*LayerKey(), now, found)) {
    hit = true;
    services_.cache.PutMemory(*question_.key, found, found.expires - now);
  }
  services_.metrics.CountLookUp(CacheLayer::kMemory, hit ? LookUpResult::kHit : LookUpResult::kMiss);
  return hit ? Exact(Source::kL1, std::move(found.outputs)) : Missed(Source::kL1);
}

bool Request::AnswerFromMemory() {
  CachedAnswer found;
  if (!question_.model->manifest().HasRung(Source::kL1) || !LayerKey() ||
      !services_.cache.GetMemory(*LayerKey(), services_.clock.Now(), found))
    return false;
  TakeLead().Land(found);
  Handle(LadderEvent::kAnswered, Source::kL1, Exact(Source::kL1, std::move(found.outputs)));
  return true;
}

Request::RungReport Request::TryDisk() {
  if (!services_.cache.has_disk() || !LayerKey()) return Missed(Source::kL2);
  CachedAnswer found;
  const bool hit = services_.cache.GetDisk(*LayerKey(), *question_.model, found);
  services_.metrics.CountLookUp(CacheLayer::kDisk, hit ? LookUpResult::kHit : LookUpResult::kMiss);
  return hit ? Exact(Source::kL2, std::move(found.outputs)) : Missed(Source::kL2);
}

Request::RungReport Request::TrySemantic() {
  ShadowAudit* audit = question_.model->audit();
  if (audit == nullptr || audit->tripped() || !CellKey()) return Missed(Source::kSemantic);
  const TimePoint now = services_.clock.Now();
  CachedAnswer found;
  if (!services_.cache.GetMemory(*CellKey(), now, found)) return Missed(Source::kSemantic);
  // Kept when the manifest said otherwise, perhaps.
  if (now - found.arrived > question_.model->manifest().semantic->max_age) return Missed(Source::kSemantic);
  if (audit->sample().Draw()) Audit(found.outputs);
  RungReport report{LadderEvent::kAnswered, Source::kSemantic, std::move(found.outputs), question_.model->identity()};
  // Cells have no symbols, and books of requests say of themselves what they like.
  if (question_.about == Question::About::kState && found.subject == SubjectOf(*question_.model, question_.symbol))
    report.as_of = found.as_of;
  report.age = now - found.arrived;
  return report;
}

Request::RungReport Request::TryRedis() {
  if (!services_.cache.has_redis() || !LayerKey()) return Missed(Source::kL3);
  if (!RedisIsQuicker()) {
    services_.metrics.CountLookUp(CacheLayer::kRedis, LookUpResult::kSkipped);
    return Missed(Source::kL3);
  }
  asks_redis_.store(true, std::memory_order_relaxed);
  services_.cache.GetRedis(
      *LayerKey(), question_.model, question_.symbol, times_.answer_by,
      services_.brown_out.Allows(BrownOutLevel::kNoDiskWrites),
      [self = shared_from_this()](RedisLookUp result, const CachedAnswer* answer) { self->OnRedis(result, answer); });
  return {LadderEvent::kPending, Source::kL3};
}

void Request::OnRedis(RedisLookUp result, const CachedAnswer* answer) {
  services_.metrics.CountLookUp(CacheLayer::kRedis, ResultOf(result));
  // Before the ladder's lock: who ends the request after us sees it, whom we come after we see.
  asks_redis_.store(false, std::memory_order_relaxed);
  if (answer == nullptr) {
    Handle(LadderEvent::kMissed, Source::kL3, {});
    if (IsOver()) LeavePool();  // perhaps nobody is left here to compute
    return;
  }
  found_in_redis_.store(true, std::memory_order_relaxed);
  TakeLead().Land(*answer);
  Handle(LadderEvent::kAnswered, Source::kL3, Exact(Source::kL3, answer->outputs));
}

void Request::Keep(const CachedAnswer& answer) {
  const ServedModel& model = *question_.model;
  const Manifest& manifest = model.manifest();
  if (LayerKey()) {
    TieredCache::Below below;
    below.disk = services_.brown_out.Allows(BrownOutLevel::kNoDiskWrites);
    below.redis =
        services_.brown_out.Allows(BrownOutLevel::kNoRedisWrites) && services_.cache.has_redis() && RedisIsQuicker();
    services_.cache.Put(*LayerKey(), model, answer, below);
    if (*LayerKey() != *question_.key && manifest.HasRung(Source::kL1))
      services_.cache.PutMemory(*question_.key, answer, manifest.cache_ttl);
  }
  if (CellKey())
    services_.cache.PutMemory(*CellKey(), answer,
                              manifest.semantic->max_age - (services_.clock.Now() - answer.arrived));
}

}  // namespace punctual
