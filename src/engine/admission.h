// The engine's door: who asks, whether they may ask now, what they ask, and by when it has to be answered.
#pragma once

#include "answer/reply_reserve.h"
#include "engine/metrics.h"
#include "engine/question.h"
#include "engine/request.h"
#include "users/directory.h"

namespace punctual {

// What a request is held against.
struct AdmissionContext {
  const UserDirectory& users;
  const ReplyReserve& reserve;
  EngineMetrics& metrics;
  QuestionContext question;
};

struct Admitted {
  const Tier* tier;
  Question question;
  RequestTimes times;
};

// Takes the request's token where there is a limit, and counts it where there is none left (kResourceExhausted, with
// how long to wait). kInvalidArgument: no user, a deadline of 0 or less. Errors of UserDirectory::Find and Ask.
Result<Admitted> Admit(PredictRequest& request, const AdmissionContext& context, TimePoint now);

}  // namespace punctual
