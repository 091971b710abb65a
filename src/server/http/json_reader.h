// Reading JSON strictly, with errors that name the field: "market.asks[3][0]: must be a number". Included by the
// readers of requests alone.
#pragma once

#include <simdjson.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "punctual/result.h"
#include "server/http/json_parser.h"

namespace punctual::http {

namespace ondemand = simdjson::ondemand;

struct JsonParser::State {
  ondemand::parser parser;
  std::tuple<std::vector<float>, std::vector<double>, std::vector<std::int32_t>, std::vector<std::int64_t>> numbers;
};

// Where in a document we are: a list from the leaf to the root, on the stack, turned into text only for an error.
class JsonPath {
 public:
  JsonPath() = default;
  // The child must not outlive its parent.
  JsonPath Key(std::string_view key) const { return JsonPath(this, key, -1); }
  JsonPath At(std::size_t index) const { return JsonPath(this, {}, static_cast<std::int64_t>(index)); }
  // "a.b[3]"; the root is "body".
  std::string Text() const;

 private:
  JsonPath(const JsonPath* parent, std::string_view key, std::int64_t index)
      : parent_(parent), key_(key), index_(index) {}
  void AppendTo(std::string& text) const;

  const JsonPath* parent_ = nullptr;
  std::string_view key_;
  std::int64_t index_ = -1;
};

// "PATH: WHAT", as INVALID_ARGUMENT.
Error Refused(const JsonPath& path, std::string_view what);
// The text is not JSON at or near `path`.
Error Malformed(const JsonPath& path, simdjson::error_code error);
// `value` is not `wanted` ("a number"): says what it is instead.
Error WrongType(ondemand::value& value, const JsonPath& path, std::string_view wanted);

// Opens a document that must be one object. Its fields can then be walked once.
Result<void> OpenObject(JsonParser::State& state, PaddedText text, ondemand::document& document,
                        ondemand::object& object);
// Nothing may follow the object. Call it when the object was walked to its end.
Result<void> ExpectEnd(ondemand::document& document);

Result<ondemand::object> ReadObject(ondemand::value& value, const JsonPath& path);
Result<ondemand::array> ReadArray(ondemand::value& value, const JsonPath& path);
// 1 to 256 bytes of UTF-8 without control characters: names of users, models, symbols, tensors. Points into the parser.
Result<std::string_view> ReadName(ondemand::value& value, const JsonPath& path);
Result<void> CheckName(std::string_view name, const JsonPath& path);

// Each reads a number of its type, finite and in range; the error says which of that it is not.
Result<void> ReadNumber(ondemand::value& value, const JsonPath& path, double& number);
Result<void> ReadNumber(ondemand::value& value, const JsonPath& path, float& number);
Result<void> ReadNumber(ondemand::value& value, const JsonPath& path, std::int32_t& number);
Result<void> ReadNumber(ondemand::value& value, const JsonPath& path, std::int64_t& number);
Result<void> ReadNumber(ondemand::value& value, const JsonPath& path, std::uint64_t& number);

// The fields an object may have, each at most once.
template <std::size_t N>
class Fields {
 public:
  explicit Fields(const std::array<std::string_view, N>& names) : names_(names) {}

  // The next field's number among the names, with its value.
  Result<std::size_t> Take(simdjson::simdjson_result<ondemand::field> iterated, const JsonPath& path,
                           ondemand::value& value) {
    ondemand::field field;
    if (const auto error = std::move(iterated).get(field)) return Malformed(path, error);
    std::string_view key;
    if (const auto error = field.unescaped_key().get(key)) return Malformed(path, error);
    value = field.value();
    for (std::size_t i = 0; i < N; ++i)
      if (names_[i] == key) {
        if (seen_ & (1u << i)) return Refused(path.Key(key), "is there twice");
        seen_ |= 1u << i;
        return i;
      }
    return Unknown(path.Key(key));
  }
  bool Has(std::size_t number) const { return (seen_ & (1u << number)) != 0; }

 private:
  Error Unknown(const JsonPath& path) const {
    std::string what = "no such field; there are";
    for (std::size_t i = 0; i < N; ++i) what.append(i == 0 ? " " : ", ").append(names_[i]);
    return Refused(path, what);
  }

  const std::array<std::string_view, N>& names_;
  unsigned seen_ = 0;
};

}  // namespace punctual::http
