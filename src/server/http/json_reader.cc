#include "server/http/json_reader.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/text.h"

namespace punctual::http {

static_assert(PaddedText::kPadding >= simdjson::SIMDJSON_PADDING);

PaddedText PaddedText::Of(std::string& text) {
  text.reserve(text.size() + kPadding);
  return PaddedText(text);
}

JsonParser::JsonParser() : state_(std::make_unique<State>()) {}
JsonParser::~JsonParser() = default;

std::string JsonPath::Text() const {
  if (parent_ == nullptr) return "body";
  std::string text;
  AppendTo(text);
  return text;
}

void JsonPath::AppendTo(std::string& text) const {
  if (parent_ == nullptr) return;
  parent_->AppendTo(text);
  if (index_ >= 0) {
    text.append("[").append(std::to_string(index_)).append("]");
    return;
  }
  if (!text.empty()) text += '.';
  constexpr std::size_t kShown = 64;  // a name from outside may be as long as the body
  text.append(CutText(key_, kShown));
  if (key_.size() > kShown) text.append("...");
}

Error Refused(const JsonPath& path, std::string_view what) {
  return Fail(Code::kInvalidArgument, path.Text().append(": ").append(what));
}

Error Malformed(const JsonPath& path, simdjson::error_code error) {
  return Refused(path, std::string("not JSON: ") + simdjson::error_message(error));
}

Error WrongType(ondemand::value& value, const JsonPath& path, std::string_view wanted) {
  const std::string_view token = value.raw_json_token();
  const std::string_view bare = token.starts_with('-') ? token.substr(1) : token;
  std::string what = "must be ";
  what.append(wanted);
  for (const std::string_view name : {"NaN", "nan", "Inf", "inf"})
    if (bare.starts_with(name)) return Refused(path, what + ", and finite; NaN and infinity are not JSON");
  switch (token.empty() ? '\0' : token[0]) {
    case '"': what += ", not text"; break;
    case '[': what += ", not a list"; break;
    case '{': what += ", not an object"; break;
    case 't':
    case 'f': what += ", not true or false"; break;
    case 'n': what += ", not null"; break;
    default:
      if (!bare.empty() && bare[0] >= '0' && bare[0] <= '9')
        what.append(", not ").append(token.substr(0, std::min<std::size_t>(32, token.find_first_of(" \t\r\n"))));
      else
        what += "; what is there is not JSON";
  }
  return Refused(path, what);
}

Result<void> OpenObject(JsonParser::State& state, PaddedText text, ondemand::document& document,
                        ondemand::object& object) {
  const std::string_view view = text.view();
  const auto opened = state.parser.iterate(view.data(), view.size(), view.size() + PaddedText::kPadding).get(document);
  if (opened == simdjson::EMPTY) return Refused({}, "is empty; a JSON object is expected");
  if (opened) return Malformed({}, opened);
  const auto error = document.get_object().get(object);
  if (error == simdjson::INCORRECT_TYPE) return Refused({}, "must be a JSON object: {...}");
  if (error) return Malformed({}, error);
  return {};
}

Result<void> ExpectEnd(ondemand::document& document) {
  if (document.current_location().error() == simdjson::OUT_OF_BOUNDS) return {};
  return Refused({}, "something follows the JSON object's end");
}

Result<ondemand::object> ReadObject(ondemand::value& value, const JsonPath& path) {
  ondemand::object object;
  const auto error = value.get_object().get(object);
  if (error == simdjson::INCORRECT_TYPE) return WrongType(value, path, "an object");
  if (error) return Malformed(path, error);
  return object;
}

Result<ondemand::array> ReadArray(ondemand::value& value, const JsonPath& path) {
  ondemand::array array;
  const auto error = value.get_array().get(array);
  if (error == simdjson::INCORRECT_TYPE) return WrongType(value, path, "a list");
  if (error) return Malformed(path, error);
  return array;
}

Result<std::string_view> ReadName(ondemand::value& value, const JsonPath& path) {
  std::string_view name;
  const auto error = value.get_string().get(name);
  if (error == simdjson::INCORRECT_TYPE) return WrongType(value, path, "text");
  if (error) return Malformed(path, error);
  PUNCTUAL_TRY(CheckName(name, path));
  return name;
}

Result<void> CheckName(std::string_view name, const JsonPath& path) {
  constexpr std::size_t kLongest = 256;
  if (name.empty() || name.size() > kLongest) return Refused(path, "must have 1 to 256 bytes");
  for (const char c : name)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return Refused(path, "must not have control characters");
  // The text was UTF-8, but an escape can still spell half of a surrogate pair.
  if (!simdjson::validate_utf8(name)) return Refused(path, "must be UTF-8");
  return {};
}

Result<void> ReadNumber(ondemand::value& value, const JsonPath& path, double& number) {
  if (value.get_double().get(number) == simdjson::SUCCESS) [[likely]]
    return {};
  const std::string_view token = value.raw_json_token();
  const char digit = token.size() > 1 && token[0] == '-' ? token[1] : token.empty() ? '\0' : token[0];
  if (digit >= '0' && digit <= '9')
    return Refused(path, "is not a number as JSON writes it, or beyond a double's range");
  return WrongType(value, path, "a number");
}

Result<void> ReadNumber(ondemand::value& value, const JsonPath& path, float& number) {
  double wide = 0;
  PUNCTUAL_TRY(ReadNumber(value, path, wide));
  // Half a unit above the largest float still rounds down to it.
  constexpr double kBeyond = 3.4028235677973366e38;
  if (!(std::abs(wide) < kBeyond)) return Refused(path, "is beyond float32's range (3.4e38)");
  number = static_cast<float>(wide);
  return {};
}

Result<void> ReadNumber(ondemand::value& value, const JsonPath& path, std::int64_t& number) {
  if (value.get_int64().get(number) == simdjson::SUCCESS) [[likely]]
    return {};
  return WrongType(value, path, "a whole number from -2^63 to 2^63-1");
}

Result<void> ReadNumber(ondemand::value& value, const JsonPath& path, std::int32_t& number) {
  std::int64_t wide = 0;
  constexpr std::string_view kWanted = "a whole number from -2^31 to 2^31-1";
  if (value.get_int64().get(wide) != simdjson::SUCCESS || wide < std::numeric_limits<std::int32_t>::min() ||
      wide > std::numeric_limits<std::int32_t>::max())
    return WrongType(value, path, kWanted);
  number = static_cast<std::int32_t>(wide);
  return {};
}

Result<void> ReadNumber(ondemand::value& value, const JsonPath& path, std::uint64_t& number) {
  if (value.get_uint64().get(number) == simdjson::SUCCESS) [[likely]]
    return {};
  return WrongType(value, path, "a whole number from 0 to 2^64-1");
}

}  // namespace punctual::http
