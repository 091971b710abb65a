// Order books in JSON:
//   {"seq":1,"time_ns":0,"receive_time_ns":0,"asks":[[price,size],...],"bids":[[price,size],...]}
// Best levels first, 1 to kMaxBookLevels of them; where one side has more, the shorter one counts. The times may be
// left out. Only the form is checked here; punctual::Validate says whether it is a book.
#pragma once

#include "punctual/market.h"
#include "server/http/json_parser.h"

namespace punctual::http {

// One snapshot that has a `seq`. kInvalidArgument names the field.
Result<BookSnapshot> ParseSnapshot(JsonParser& parser, PaddedText text);

}  // namespace punctual::http
