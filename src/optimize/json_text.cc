#include "optimize/json_text.h"

#include <boost/json.hpp>
#include <charconv>
#include <cmath>

namespace punctual::optimize {

namespace json = boost::json;

namespace {

std::string NumberText(double number) {
  if (!std::isfinite(number)) return "null";
  char text[64];
  return {text, std::to_chars(text, text + sizeof text, number, std::chars_format::general, 10).ptr};
}

bool IsFlat(const json::array& array) {
  for (const json::value& element : array)
    if (element.is_structured()) return false;
  return true;
}

void Append(const json::value& value, std::size_t indent, std::string& text);

void AppendObject(const json::object& object, std::size_t indent, std::string& text) {
  text += "{";
  bool first = true;
  for (const auto& [key, value] : object) {
    text += (first ? "\n" : ",\n") + std::string(indent + 2, ' ') + json::serialize(key) + ": ";
    Append(value, indent + 2, text);
    first = false;
  }
  text += first ? "}" : "\n" + std::string(indent, ' ') + "}";
}

void AppendArray(const json::array& array, std::size_t indent, std::string& text) {
  const bool flat = IsFlat(array);
  text += "[";
  for (std::size_t i = 0; i < array.size(); ++i) {
    if (i > 0) text += flat ? ", " : ",";
    if (!flat) text += "\n" + std::string(indent + 2, ' ');
    Append(array[i], indent + 2, text);
  }
  if (!flat) text += "\n" + std::string(indent, ' ');
  text += "]";
}

void Append(const json::value& value, std::size_t indent, std::string& text) {
  if (const auto* object = value.if_object()) {
    AppendObject(*object, indent, text);
  } else if (const auto* array = value.if_array()) {
    AppendArray(*array, indent, text);
  } else if (const auto* number = value.if_double()) {
    text += NumberText(*number);
  } else {
    text += json::serialize(value);
  }
}

}  // namespace

std::string JsonText(const json::value& value) {
  std::string text;
  Append(value, 0, text);
  return text + "\n";
}

}  // namespace punctual::optimize
