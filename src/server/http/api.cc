#include "server/http/api.h"

#include <utility>

#include "server/http/answer_json.h"
#include "server/http/json_reader.h"
#include "server/http/predict_json.h"
#include "server/http/publish.h"
#include "server/http/purge_json.h"

namespace punctual::http {

namespace {

// Bodies beyond are read on a thread aside: an I/O thread has others to serve. Windows of 100 books of 20 levels stay
// below it.
constexpr std::size_t kMaxBodyInPlace = 128 << 10;
constexpr std::string_view kMarketPath = "/v1/market/";

Api::Order Done(Exchange& exchange) {
  exchange.Finish();
  return Api::Order::kAny;
}

Api::Order Refuse(Exchange& exchange, const Error& error) {
  exchange.Refuse(error);
  return Done(exchange);
}

Api::Order RefuseMethod(Exchange& exchange, std::string_view path, std::string_view allow) {
  exchange.allow = allow;
  exchange.Refuse(
      405, Fail(Code::kInvalidArgument, "method: " + std::string(path) + " takes " + std::string(allow) + " alone"));
  return Done(exchange);
}

// A page of another site may send requests to our address too, without being allowed to read the answers.
Api::Order RefusePage(Exchange& exchange, std::string_view path, std::string_view instead) {
  return Refuse(exchange, Fail(Code::kPermissionDenied,
                               std::string(path) + ": takes nothing from web pages (Origin, Sec-Fetch-Site); use " +
                                   std::string(instead)));
}

using PeerLeft = std::shared_ptr<const std::atomic<bool>>;

void PredictNow(ServerState& state, JsonParser& parser, std::string& body, TimePoint arrival, PeerLeft peer_left,
                Exchange& exchange) {
  auto request = ParsePredictRequest(parser, PaddedText::Of(body));
  if (request.has_error()) {
    state.engine.RecordRefusal(request.error().code);
    exchange.Refuse(request.error());
    return exchange.Finish();
  }
  request->arrival = arrival;
  request->asker_left = std::move(peer_left);
  // One pointer: the callback fits into std::function without an allocation.
  state.engine.PredictAsync(*std::move(request), [at = &exchange](Result<Prediction> prediction) {
    at->prediction.emplace(std::move(prediction));
    at->Finish();
  });
}

JsonParser& AsideParser() {
  thread_local JsonParser parser;
  return parser;
}

bool ServesAModel(const Engine& engine) {
  for (const ModelStatus& model : engine.Models())
    if (!model.version.empty()) return true;
  return false;
}

void AnswerReady(ServerState& state, Exchange& exchange) {
  if (state.stopping.load())
    exchange.Refuse(Fail(Code::kUnavailable, "server: is shutting down"));
  else if (!ServesAModel(state.engine))
    exchange.Refuse(Fail(Code::kUnavailable, "models: none is served; /v1/models says why"));
  else
    exchange.body = R"({"status":"ready"})";
}

// The path's text with its %XX undone; none if they are not hex.
std::optional<std::string> PercentDecoded(std::string_view text) {
  const auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  std::string decoded;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = digit(text[i + 1]), low = digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    decoded += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return decoded;
}

}  // namespace

Api::Order Api::Handle(const Request& request, Exchange& exchange) {
  std::string_view path = request.target;
  if (path.starts_with("http://")) {  // a client that talks to us as to a proxy
    const std::size_t slash = path.find('/', 7);
    path = slash == std::string_view::npos ? "/" : path.substr(slash);
  }
  const std::size_t question = path.find('?');
  const bool has_query = question != std::string_view::npos;
  path = path.substr(0, question);
  if (has_query && path.starts_with("/v1/"))
    return Refuse(exchange,
                  Fail(Code::kInvalidArgument, "query: " + std::string(path) + " takes no parameters in the URL"));
  if (request.head.is_compressed()) {
    exchange.Refuse(415, Fail(Code::kInvalidArgument, "Content-Encoding: send the body uncompressed"));
    return Done(exchange);
  }
  if (path == "/v1/predict") return Predict(request, exchange);
  if (path.starts_with(kMarketPath)) return Market(request, path.substr(kMarketPath.size()), exchange);
  if (path == "/v1/cache/purge") return PurgeCache(request, exchange);
  return Get(request, path, exchange);
}

Api::Order Api::Predict(const Request& request, Exchange& exchange) {
  if (request.head.method() != verb::post) return RefuseMethod(exchange, "/v1/predict", "POST");
  if (request.body.size() <= kMaxBodyInPlace) {
    PredictNow(state_, parser_, request.body, request.arrival, request.peer_left, exchange);
    return Order::kAny;
  }
  exchange.request_body.swap(request.body);
  state_.large_questions.Post(
      [state = &state_, at = &exchange, arrival = request.arrival, peer_left = request.peer_left] {
        // Others were before it. What nobody waits for any more is not read, so that the next ones are in time.
        if (std::chrono::steady_clock::now() - arrival <= state->engine.longest_budget())
          return PredictNow(*state, AsideParser(), at->request_body, arrival, peer_left, *at);
        state->engine.RecordRefusal(Code::kDeadlineExceeded);
        at->Refuse(Fail(Code::kDeadlineExceeded, "body: " + std::to_string(at->request_body.size()) +
                                                     " bytes waited for longer than any tier's budget behind other "
                                                     "large ones; bodies of up to 128 KiB do not wait"));
        at->Finish();
      });
  return Order::kAlone;  // so that a connection holds one large body
}

Api::Order Api::Market(const Request& request, std::string_view symbol_text, Exchange& exchange) {
  const verb method = request.head.method();
  if (method != verb::post && method != verb::delete_)
    return RefuseMethod(exchange, "/v1/market/{symbol}", "POST, DELETE");
  // Whoever may write books decides what is answered about them.
  if (request.head.is_from_a_page()) return RefusePage(exchange, "/v1/market/{symbol}", "\"punctual replay\" or curl");
  auto symbol = PercentDecoded(symbol_text);
  if (!symbol)
    return Refuse(exchange, Fail(Code::kInvalidArgument, "symbol: has a % that two hex digits do not follow"));
  const JsonPath root;
  if (auto name = CheckName(*symbol, root.Key("symbol")); name.has_error()) return Refuse(exchange, name.error());
  if (method == verb::delete_) {
    if (auto forgotten = state_.engine.Forget(*symbol); forgotten.has_error())
      return Refuse(exchange, forgotten.error());
    exchange.body = R"({"forgotten":true})";
    return Done(exchange);
  }
  const Lines lines = request.head.is_ndjson() ? Lines::kYes : Lines::kPerhaps;
  if (request.body.size() <= kMaxBodyInPlace) {
    PublishBooks(state_.engine, parser_, {*symbol, request.arrival, lines}, PaddedText::Of(request.body), exchange);
    return Done(exchange);
  }
  exchange.request_body.swap(request.body);
  state_.aside.Post([state = &state_, at = &exchange, to = BooksTo{*std::move(symbol), request.arrival, lines}] {
    PublishBooks(state->engine, AsideParser(), to, PaddedText::Of(at->request_body), *at);
    at->Finish();
  });
  return Order::kAlone;  // the books of the next request come after these
}

Api::Order Api::PurgeCache(const Request& request, Exchange& exchange) {
  if (request.head.method() != verb::post) return RefuseMethod(exchange, "/v1/cache/purge", "POST");
  // Whoever may purge may make every answer slow.
  if (!request.is_local)
    return Refuse(exchange, Fail(Code::kPermissionDenied,
                                 "/v1/cache/purge: is for this machine alone; ask over the Unix socket or 127.0.0.1"));
  if (request.head.is_from_a_page()) return RefusePage(exchange, "/v1/cache/purge", "\"punctual cache purge\" or curl");
  auto purge = ParsePurgeRequest(parser_, PaddedText::Of(request.body));
  if (purge.has_error()) return Refuse(exchange, purge.error());
  state_.engine.PurgeCacheAsync(*purge, [at = &exchange](const Result<PurgeStatus>& status) {
    if (status.has_error())
      at->Refuse(status.error());
    else
      AppendPurgeBegun(at->body, *status);
    at->Finish();
  });
  return Order::kAny;
}

Api::Order Api::Get(const Request& request, std::string_view path, Exchange& exchange) {
  using Answer = void (*)(ServerState&, Exchange&);
  struct Page {
    std::string_view path;
    Answer answer;
    bool is_quick = false;  // answered in place: it must not wait behind the others
  };
  static constexpr Page kPages[] = {
      {"/v1/models", [](ServerState& state, Exchange& at) { AppendModels(at.body, state.engine.Models()); }},
      {"/v1/cache", [](ServerState& state, Exchange& at) { AppendCacheStats(at.body, state.engine.Stats().cache); }},
      {"/v1/stats", [](ServerState& state, Exchange& at) { AppendStats(at.body, state.engine.Stats()); }},
      {"/metrics",
       [](ServerState& state, Exchange& at) {
         at.content_type = "text/plain; version=0.0.4; charset=utf-8";
         at.body = state.engine.metrics().PrometheusText();
       }},
      {"/readyz", AnswerReady, true},
      {"/healthz", [](ServerState&, Exchange& at) { at.body = R"({"status":"alive"})"; }, true},
  };
  const verb method = request.head.method();
  for (const Page& page : kPages) {
    if (page.path != path) continue;
    if (method != verb::get && method != verb::head) return RefuseMethod(exchange, path, "GET, HEAD");
    if (page.is_quick) {
      page.answer(state_, exchange);
      return Done(exchange);
    }
    state_.aside.Post([state = &state_, at = &exchange, answer = page.answer] {
      answer(*state, *at);
      at->Finish();
    });
    return Order::kAny;
  }
  return Refuse(exchange, Fail(Code::kNotFound,
                               "path: nothing is here; see /v1/predict, /v1/market/{symbol}, /v1/models, "
                               "/v1/stats, /v1/cache, /v1/cache/purge, /metrics, /healthz, /readyz"));
}

void Api::CompletePrediction(Exchange& exchange) {
  if (!exchange.prediction) return;
  if (exchange.prediction->has_value())
    AppendPrediction(exchange.body, **exchange.prediction);
  else
    exchange.Refuse(exchange.prediction->error());
}

}  // namespace punctual::http
