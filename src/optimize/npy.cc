#include "optimize/npy.h"

#include <charconv>
#include <optional>

#include "base/text.h"

namespace punctual::optimize {
namespace {

Error Bad(std::string message) { return Fail(Code::kInvalidArgument, std::move(message)); }

std::size_t Unsigned(std::string_view bytes) {  // little endian
  std::size_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

struct Description {
  std::string_view type;
  bool fortran_order = false;
  Shape shape;
};

// Takes the header's dictionary apart, a literal of Python: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
class Literal {
 public:
  explicit Literal(std::string_view text) : all_(text), rest_(text) {}

  Result<Description> Parse() {
    if (!Take('{')) return Unexpected("{");
    Description description;
    bool has_type = false, has_order = false, has_shape = false;
    while (!Take('}')) {
      PUNCTUAL_ASSIGN(const std::string_view key, String());
      if (!Take(':')) return Unexpected(":");
      bool& has = key == "descr" ? has_type : key == "fortran_order" ? has_order : has_shape;
      if (key != "descr" && key != "fortran_order" && key != "shape")
        return Bad("the header has a key " + QuotedText(key) + " that is not known");
      if (has) return Bad("the header has " + QuotedText(key) + " twice");
      has = true;
      PUNCTUAL_TRY(Value(key, description));
      if (Take(',')) continue;
      if (!Take('}')) return Unexpected("}");
      break;
    }
    Skip();
    if (!rest_.empty()) return Unexpected("the header's end");
    if (!has_type || !has_order || !has_shape)
      return Bad("the header " + QuotedText(all_) + " must have \"descr\", \"fortran_order\" and \"shape\"");
    return description;
  }

 private:
  void Skip() {
    while (!rest_.empty() && std::string_view(" \t\r\n").find(rest_.front()) != std::string_view::npos)
      rest_.remove_prefix(1);
  }
  bool Take(char c) {
    Skip();
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool TakeWord(std::string_view word) {
    Skip();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  Error Unexpected(const std::string& expected) const {
    return Bad("the header has " + QuotedText(rest_) + " where " + expected + " should be");
  }
  Result<std::string_view> String() {
    Skip();
    if (rest_.empty() || (rest_.front() != '\'' && rest_.front() != '"')) return Unexpected("a quoted word");
    const std::size_t end = rest_.find(rest_.front(), 1);
    if (end == std::string_view::npos) return Unexpected("a quoted word");
    const std::string_view text = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return text;
  }
  Result<void> Value(std::string_view key, Description& description) {
    if (key == "shape") return ShapeOf(description.shape);
    if (key == "fortran_order") {
      description.fortran_order = TakeWord("True");
      return description.fortran_order || TakeWord("False") ? Result<void>() : Unexpected("True or False");
    }
    Skip();
    if (rest_.starts_with('[')) return Bad("the array is of records; save each column by itself");
    PUNCTUAL_ASSIGN(description.type, String());
    return {};
  }
  Result<void> ShapeOf(Shape& shape) {
    if (!Take('(')) return Unexpected("(");
    while (!Take(')')) {
      Skip();
      std::int64_t dimension = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), dimension);
      if (error != std::errc() || dimension < 0) return Unexpected("a length");
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      if (shape.size() == kMaxNpyDimensions)
        return Bad("the array has more than " + std::to_string(kMaxNpyDimensions) + " dimensions");
      shape.push_back(dimension);
      if (Take(',')) continue;
      return Take(')') ? Result<void>() : Unexpected(")");
    }
    return {};
  }

  const std::string_view all_;
  std::string_view rest_;
};

// "<f4"
Result<void> ParseType(std::string_view type, NpyHeader& header) {
  const auto refuse = [&](const std::string& what) { return Bad("the array's type " + QuotedText(type) + " " + what); };
  if (type.size() < 3) return refuse("is not known; use .astype(numpy.float32)");
  if (type[0] == '>') return refuse("is big endian; use .astype(array.dtype.newbyteorder('<'))");
  std::size_t bytes = 0;
  const auto [end, error] = std::from_chars(type.data() + 2, type.data() + type.size(), bytes);
  const bool is_size = error == std::errc() && end == type.data() + type.size();
  const bool is_order = type[0] == '<' || (type[0] == '|' && bytes == 1);
  const bool is_whole = type[1] == 'i' || type[1] == 'u';
  const bool fits = bytes == 2 || bytes == 4 || bytes == 8 || (is_whole && bytes == 1);
  if (!is_size || !is_order || !fits || (!is_whole && type[1] != 'f'))
    return refuse("is none of floats or whole numbers; use .astype(numpy.float32) or what the model takes");
  header.kind = type[1] == 'f'   ? NpyHeader::Kind::kFloat
                : type[1] == 'i' ? NpyHeader::Kind::kSigned
                                 : NpyHeader::Kind::kUnsigned;
  header.item_bytes = bytes;
  return {};
}

// Of an array in a file of so many bytes after the header; nothing if it would be larger, however large.
std::optional<std::uint64_t> DataBytes(const NpyHeader& header, std::uint64_t most) {
  for (const std::int64_t dimension : header.shape)
    if (dimension == 0) return 0;
  std::uint64_t bytes = header.item_bytes;
  for (const std::int64_t dimension : header.shape) {
    if (static_cast<std::uint64_t>(dimension) > most / bytes) return std::nullopt;
    bytes *= static_cast<std::uint64_t>(dimension);
  }
  return bytes;
}

}  // namespace

std::string NpyTypeName(const NpyHeader& header) {
  const char* const kind = header.kind == NpyHeader::Kind::kFloat    ? "float"
                           : header.kind == NpyHeader::Kind::kSigned ? "int"
                                                                     : "uint";
  return kind + std::to_string(header.item_bytes * 8);
}

Result<std::size_t> NpyHeaderBytes(std::string_view prefix) {
  if (prefix.size() < kNpyPrefixBytes || !prefix.starts_with(kNpyMagic))
    return Bad("is not a NumPy array (.npy); write it with numpy.save");
  const auto version = static_cast<unsigned char>(prefix[6]);
  if (version < 1 || version > 3)
    return Bad("is of version " + std::to_string(version) + " of NumPy's format; 1 to 3 are read");
  const std::size_t length_bytes = version == 1 ? 2 : 4;
  const std::size_t header_bytes = 8 + length_bytes + Unsigned(prefix.substr(8, length_bytes));
  if (header_bytes < kNpyPrefixBytes || header_bytes > kMaxNpyHeaderBytes)
    return Bad("has a header of " + std::to_string(header_bytes) + " bytes; at most " +
               std::to_string(kMaxNpyHeaderBytes) + " are read");
  return header_bytes;
}

Result<NpyHeader> ParseNpyHeader(std::string_view header, std::uint64_t file_bytes) {
  PUNCTUAL_ASSIGN(const std::size_t header_bytes, NpyHeaderBytes(header));
  if (header.size() != header_bytes || file_bytes < header_bytes) return Bad("ends within its header");
  PUNCTUAL_ASSIGN(Description description, Literal(header.substr(header[6] == 1 ? 10 : 12)).Parse());
  NpyHeader parsed{.shape = std::move(description.shape), .header_bytes = header_bytes};
  PUNCTUAL_TRY(ParseType(description.type, parsed));
  if (description.fortran_order) return Bad("the array is in Fortran's order; save numpy.ascontiguousarray(array)");
  const std::uint64_t left = file_bytes - header_bytes;
  const auto data_bytes = DataBytes(parsed, left);
  if (!data_bytes || *data_bytes != left)
    return Bad("the array is " + NpyTypeName(parsed) + " " + ShapeText(parsed.shape) + ", but the file has " +
               std::to_string(left) + " bytes for it; it was cut, or is damaged");
  parsed.data_bytes = static_cast<std::size_t>(*data_bytes);
  return parsed;
}

}  // namespace punctual::optimize
