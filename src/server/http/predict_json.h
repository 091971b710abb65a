// Prediction requests in JSON, in one of three forms:
//   {"user":"u1","symbol":"BTCUSDT"}                                  the server's own market state
//   {"user":"u1","market":{...} or [{...},...],"symbol":"BTCUSDT"}    books in the request (market_json.h)
//   {"user":"u1","model":"m","inputs":{"x":[...]}}                    tensors
// each with an optional "model" and "deadline_ms". A tensor is a list of numbers or nested lists (float32, the nesting
// is the shape), or {"shape":[1,128],"dtype":"FP32","data":[...]}.
#pragma once

#include "punctual/prediction.h"
#include "server/http/json_parser.h"

namespace punctual::http {

// Checks everything that the text alone can tell: JSON, UTF-8, known fields, types, finite numbers in range. Which of
// the forms may be combined, and what the names mean, is the engine's to say. kInvalidArgument names the field.
Result<PredictRequest> ParsePredictRequest(JsonParser& parser, PaddedText body);

}  // namespace punctual::http
