// A record of the request log: what was asked, sound, or an error; what is sound reads back as the same bytes.
#include <cstdlib>
#include <span>
#include <string>

#include "request_log/logged_request.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace punctual;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto request = DecodeRequest(bytes);
  if (request.has_error()) return 0;
  if (request->window.empty() == (request->inputs == nullptr)) std::abort();
  const std::string again = EncodeRequest(*request, request->window.empty() ? 0 : request->window.size());
  if (again != std::string_view(reinterpret_cast<const char*>(data), size)) std::abort();
  return 0;
}
