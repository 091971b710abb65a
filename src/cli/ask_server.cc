#include "cli/ask_server.h"

#include <boost/json.hpp>
#include <chrono>

#include "punctual/prediction.h"

namespace punctual {

namespace json = boost::json;

namespace {

constexpr Duration kReplyTimeout = std::chrono::seconds(10);

}  // namespace

Result<json::value> AskServer(load::HttpClient& client, const char* method, const char* path, const std::string& body) {
  client.Add(method, path, "application/json", body);
  PUNCTUAL_ASSIGN(const auto replies, client.Exchange(kReplyTimeout));
  boost::system::error_code error;
  json::value answer = json::parse(replies.at(0).body, error);
  if (error || !answer.is_object())
    return Fail(Code::kInternal, std::string(path) + ": the server did not answer JSON; is it Punctual?");
  if (replies[0].status == 200) return answer;
  std::string why = "HTTP " + std::to_string(replies[0].status);
  if (const json::value* refused = answer.as_object().if_contains("error"); refused != nullptr && refused->is_object())
    if (const json::value* text = refused->as_object().if_contains("message"); text != nullptr && text->is_string())
      why = text->as_string();
  return Fail(Code::kFailedPrecondition, why);
}

}  // namespace punctual
