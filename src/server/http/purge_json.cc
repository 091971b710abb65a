#include "server/http/purge_json.h"

#include "server/http/json_reader.h"

namespace punctual::http {

namespace {
constexpr std::array<std::string_view, 3> kFields = {"model", "symbol", "all"};
}

Result<PurgeRequest> ParsePurgeRequest(JsonParser& parser, PaddedText body) {
  ondemand::document document;
  ondemand::object object;
  PUNCTUAL_TRY(OpenObject(parser.state(), body, document, object));
  const JsonPath root;
  PurgeRequest request;
  bool all = false;
  Fields fields(kFields);
  for (auto iterated : object) {
    ondemand::value value;
    PUNCTUAL_ASSIGN(const std::size_t field, fields.Take(iterated, root, value));
    const JsonPath here = root.Key(kFields[field]);
    if (field == 2) {
      if (value.get(all) != simdjson::SUCCESS) return Refused(here, "must be true or false");
      continue;
    }
    PUNCTUAL_ASSIGN((field == 0 ? request.model : request.symbol), ReadName(value, here));
  }
  PUNCTUAL_TRY(ExpectEnd(document));
  if (request.model.empty() && request.symbol.empty() && !all)
    return Refused(root, "must name a \"model\" or a \"symbol\", or say \"all\":true");
  if (all && !(request.model.empty() && request.symbol.empty()))
    return Refused(root.Key("all"), "goes with no model and no symbol");
  return request;
}

}  // namespace punctual::http
