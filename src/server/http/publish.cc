#include "server/http/publish.h"

#include "server/http/answer_json.h"
#include "server/http/json_writer.h"
#include "server/http/market_json.h"

namespace punctual::http {

namespace {

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) + 1 - first);
}

// A first line that closes its brace, with something behind it: many. A book written over several lines does not.
bool LooksLikeLines(std::string_view text) {
  const std::string_view trimmed = Trimmed(text);
  const std::size_t end = trimmed.find('\n');
  return end != std::string_view::npos && Trimmed(trimmed.substr(0, end)).ends_with('}');
}

Result<void> PublishOne(Engine& engine, JsonParser& parser, const BooksTo& to, PaddedText text) {
  PUNCTUAL_ASSIGN(const BookSnapshot snapshot, ParseSnapshot(parser, text));
  return engine.Publish(to.symbol, snapshot, to.arrival);
}

Result<void> PublishLines(Engine& engine, JsonParser& parser, const BooksTo& to, PaddedText body,
                          std::uint64_t& published) {
  const std::string_view text = body.view();
  std::size_t number = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    ++number;
    if (!Trimmed(text.substr(at, end - at)).empty()) {
      if (auto done = PublishOne(engine, parser, to, body.Part(at, end - at)); done.has_error()) {
        Error error = std::move(done).error();
        error.message.insert(0, "line " + std::to_string(number) + ": ");
        return error;
      }
      ++published;
    }
    at = end + 1;
  }
  if (published == 0) return Fail(Code::kInvalidArgument, "body: is empty; one book a line is expected");
  return {};
}

}  // namespace

void PublishBooks(Engine& engine, JsonParser& parser, const BooksTo& to, PaddedText body, Exchange& exchange) {
  std::uint64_t published = 0;
  Result<void> done;
  if (to.lines == Lines::kYes || LooksLikeLines(body.view())) {
    done = PublishLines(engine, parser, to, body, published);
  } else {
    done = PublishOne(engine, parser, to, body);
    if (done.has_value()) published = 1;
  }
  std::string count = R"({"published":)";
  AppendJsonNumber(count, published);
  if (done.has_value()) {
    exchange.body = count + "}";
    return;
  }
  exchange.Refuse(done.error());
  exchange.body.replace(0, 1, count + ",");
}

}  // namespace punctual::http
