#include "engine/admission.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/config_file.h"

namespace punctual {

namespace {

// What is said to a request over a limit.
Error RefusalOf(const OverLimit& over, const std::string& user_name, const User& user) {
  const bool is_user = over.limit == LimitOf::kUser;
  const TokenBucket& bucket = is_user ? *user.bucket : *user.tier->bucket;
  const std::string tier = user.tier->name, key = "tiers." + tier + (is_user ? ".user_" : ".");
  Error error = Fail(Code::kResourceExhausted,
                     (is_user ? "user: \"" + user_name + "\"" : "tier: \"" + tier + "\"") + " is over its limit of " +
                         NumberText(bucket.rate()) + " requests a second, " + NumberText(bucket.burst()) +
                         " at once; ask again later or less often, or raise " + key + "rate and " + key + "burst");
  error.retry_after = over.retry_after;
  return error;
}

}  // namespace

Result<Admitted> Admit(PredictRequest& request, const AdmissionContext& context, TimePoint now) {
  if (request.user.empty()) return Fail(Code::kInvalidArgument, "user: is missing");
  PUNCTUAL_ASSIGN(const User user, context.users.Find(request.user));
  if (const auto over = TakeTokens(user, now)) {
    context.metrics.CountOverLimit(*user.tier, over->limit);
    return RefusalOf(*over, request.user, user);
  }
  if (request.budget && *request.budget <= Duration::zero())
    return Fail(Code::kInvalidArgument, "deadline_ms: must be above 0");
  RequestTimes times;
  times.arrival = request.arrival == TimePoint() ? now : request.arrival;
  times.budget = std::min(user.tier->budget, request.budget.value_or(user.tier->budget));
  times.answer_by = times.arrival + times.budget - context.reserve.For(times.budget);
  PUNCTUAL_ASSIGN(auto question, Ask(request, user, context.question, now));
  return Admitted{user.tier, std::move(question), times};
}

}  // namespace punctual
