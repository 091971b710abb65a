// What a purge names: {"model":"tcn"}, {"symbol":"BTCUSDT"}, both, or {"all":true}.
#pragma once

#include "punctual/cache.h"
#include "server/http/json_parser.h"

namespace punctual::http {

// kInvalidArgument names the field. Nothing named is an error: a purge of everything must be meant.
Result<PurgeRequest> ParsePurgeRequest(JsonParser& parser, PaddedText body);

}  // namespace punctual::http
