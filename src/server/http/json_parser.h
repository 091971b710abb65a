// What reading JSON needs between requests, and the proof that a text may be read by it.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace punctual::http {

// A text with kPadding readable bytes behind its end: the parser reads whole vector registers.
class PaddedText {
 public:
  static constexpr std::size_t kPadding = 64;

  // Makes room behind `text`'s end (its content stays) and looks at it. REQUIRES: `text` is left alone meanwhile.
  static PaddedText Of(std::string& text);
  // A piece of it, for instance a line. REQUIRES: offset + size <= this->size().
  PaddedText Part(std::size_t offset, std::size_t size) const { return PaddedText(text_.substr(offset, size)); }

  std::string_view view() const { return text_; }

 private:
  explicit PaddedText(std::string_view text) : text_(text) {}
  std::string_view text_;
};

// Buffers that grow to the largest text seen and stay. One thread at a time; nothing that a parse returns points into
// it.
class JsonParser {
 public:
  struct State;  // json_reader.h: the parser's header is large, and only the readers include it

  JsonParser();
  JsonParser(const JsonParser&) = delete;
  JsonParser& operator=(const JsonParser&) = delete;
  ~JsonParser();

  State& state() { return *state_; }

 private:
  std::unique_ptr<State> state_;
};

}  // namespace punctual::http
