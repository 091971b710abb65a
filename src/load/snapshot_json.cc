#include "load/snapshot_json.h"

#include <charconv>

namespace punctual::load {

namespace {

template <class Number>
void AppendNumber(std::string& text, Number number) {
  char digits[32];
  text.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

void AppendLevel(std::string& text, double price, double size) {
  text += '[';
  AppendNumber(text, price);
  text += ',';
  AppendNumber(text, size);
  text += "],";
}

}  // namespace

void AppendSnapshotJson(std::string& text, const BookSnapshot& book) {
  text += "{\"seq\":";
  AppendNumber(text, book.sequence);
  if (book.exchange_time_ns != 0) {
    text += ",\"time_ns\":";
    AppendNumber(text, book.exchange_time_ns);
  }
  if (book.receive_time_ns != 0) {
    text += ",\"receive_time_ns\":";
    AppendNumber(text, book.receive_time_ns);
  }
  text += ",\"asks\":[";
  for (const BookLevel& level : book.used_levels()) AppendLevel(text, level.ask_price, level.ask_size);
  if (text.back() == ',') text.pop_back();
  text += "],\"bids\":[";
  for (const BookLevel& level : book.used_levels()) AppendLevel(text, level.bid_price, level.bid_size);
  if (text.back() == ',') text.pop_back();
  text += "]}";
}

void AppendJsonString(std::string& out, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20) {
      out.append("\\u00").append({kHex[byte >> 4], kHex[byte & 15]});
    } else {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  out += '"';
}

}  // namespace punctual::load
