#include "server/http/exchange.h"

#include "server/http/answer_json.h"
#include "server/http/connection.h"
#include "server/http/io_thread.h"

namespace punctual::http {

void Exchange::Refuse(const Error& error) { Refuse(HttpStatus(error.code), error); }

void Exchange::Refuse(int with_status, const Error& error) {
  status = with_status;
  content_type = kJson;
  retry_after_s = std::chrono::ceil<std::chrono::seconds>(error.retry_after).count();
  body.clear();
  AppendError(body, error);
}

void Exchange::Finish() { connection->thread().Finish(*this); }

void Exchange::Reset() {
  status = 200;
  content_type = kJson;
  allow = {};
  retry_after_s = 0;
  TrimAndClear(body);
  interim = head_only = close = keep_alive = ready = measures_reply = false;
  prediction.reset();
  TrimAndClear(request_body);
}

}  // namespace punctual::http
