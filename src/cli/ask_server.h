// One question to a running server's HTTP API.
#pragma once

#include <boost/json/value.hpp>
#include <string>

#include "load/http_client.h"
#include "punctual/result.h"

namespace punctual {

// The object that it answered. kFailedPrecondition: it refused, with its message; kInternal: it answered something else
// than JSON; kUnavailable: nothing, within ten seconds.
Result<boost::json::value> AskServer(load::HttpClient& client, const char* method, const char* path,
                                     const std::string& body = "");

}  // namespace punctual
