#include "request_log/logged_request.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "market/market.h"

namespace punctual {

namespace {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they lie in memory");

constexpr std::size_t kMostBooks = 200'000;  // twice the longest history that a market keeps

class Writer {
 public:
  template <class Number>
  void Add(Number number) {
    AddBytes(std::as_bytes(std::span(&number, 1)));
  }
  void AddText(const std::string& text) {
    Add(static_cast<std::uint16_t>(text.size()));
    text_ += text;
  }
  void AddBytes(std::span<const std::byte> bytes) {
    text_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

// Once it has read beyond the end, all it reads is zero.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> record) : left_(record) {}

  template <class Number>
  Number Get() {
    Number number{};
    if (const auto bytes = GetBytes(sizeof number); !bytes.empty()) std::memcpy(&number, bytes.data(), sizeof number);
    return number;
  }
  std::string GetText() {
    const auto bytes = GetBytes(Get<std::uint16_t>());
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  std::span<const std::byte> GetBytes(std::size_t count) {
    if (count > left_.size()) {
      failed_ = true;
      left_ = {};
      return {};
    }
    const auto bytes = left_.first(count);
    left_ = left_.subspan(count);
    return bytes;
  }
  bool failed() const { return failed_; }
  bool at_end() const { return left_.empty(); }

 private:
  std::span<const std::byte> left_;
  bool failed_ = false;
};

Error Broken(const std::string& what) { return Fail(Code::kInvalidArgument, "request log: a record " + what); }

void AddBook(const BookSnapshot& book, Writer& to) {
  to.Add(book.sequence);
  to.Add(book.exchange_time_ns);
  to.Add(book.receive_time_ns);
  to.Add(static_cast<std::uint8_t>(book.level_count));
  for (const BookLevel& level : book.used_levels())
    for (const double number : {level.ask_price, level.ask_size, level.bid_price, level.bid_size}) to.Add(number);
}

Result<BookSnapshot> GetBook(Reader& from) {
  BookSnapshot book;
  book.sequence = from.Get<std::uint64_t>();
  book.exchange_time_ns = from.Get<std::int64_t>();
  book.receive_time_ns = from.Get<std::int64_t>();
  book.level_count = from.Get<std::uint8_t>();
  if (from.failed()) return Broken("ends within a book");
  if (book.level_count < 1 || book.level_count > kMaxBookLevels)
    return Broken("has a book of " + std::to_string(book.level_count) + " levels");
  for (int i = 0; i < book.level_count; ++i) {
    BookLevel& level = book.levels[static_cast<std::size_t>(i)];
    for (double* number : {&level.ask_price, &level.ask_size, &level.bid_price, &level.bid_size})
      *number = from.Get<double>();
  }
  if (from.failed()) return Broken("ends within a book");
  if (const Result<void> valid = Validate(book); valid.has_error())
    return Broken("has a book that is not sound: " + valid.error().message);
  return book;
}

Result<NamedTensor> GetTensor(Reader& from) {
  NamedTensor named;
  named.name = from.GetText();
  const auto dtype = from.Get<std::uint8_t>();
  Shape shape(from.Get<std::uint8_t>());
  for (std::int64_t& dimension : shape) dimension = from.Get<std::int64_t>();
  if (from.failed()) return Broken("ends within a tensor");
  if (dtype > static_cast<std::uint8_t>(DType::kInt64)) return Broken("has a tensor of no known type");
  const Result<std::size_t> count = ElementCount(shape);
  if (count.has_error()) return Broken("has a tensor that is not sound: " + count.error().message);
  const auto type = static_cast<DType>(dtype);
  const auto bytes = from.GetBytes(*count * SizeOf(type));
  if (from.failed()) return Broken("ends within a tensor");
  named.tensor = Tensor(type, std::move(shape));
  std::ranges::copy(bytes, named.tensor.mutable_bytes().begin());
  // Of the copy: in the record they lie anywhere.
  if (!AllFinite(type, named.tensor.bytes())) return Broken("has a number that is not finite");
  return named;
}

}  // namespace

std::string EncodeRequest(const LoggedRequest& request, std::size_t most_books) {
  Writer to;
  to.Add(request.asked_unix_ns);
  to.AddText(request.symbol);
  const std::size_t books = request.window.empty() ? 0 : std::min(request.window.size(), most_books);
  to.Add(static_cast<std::uint32_t>(books));
  for (std::size_t back = books; back-- > 0;) AddBook(request.window.FromNewest(back).book, to);
  to.Add(static_cast<std::uint16_t>(request.inputs == nullptr ? 0 : request.inputs->size()));
  if (request.inputs == nullptr) return to.Take();
  for (const NamedTensor& input : *request.inputs) {
    to.AddText(input.name);
    to.Add(static_cast<std::uint8_t>(input.tensor.dtype()));
    to.Add(static_cast<std::uint8_t>(input.tensor.shape().size()));
    for (const std::int64_t dimension : input.tensor.shape()) to.Add(dimension);
    to.AddBytes(input.tensor.bytes());
  }
  return to.Take();
}

Result<LoggedRequest> DecodeRequest(std::span<const std::byte> record) {
  Reader from(record);
  LoggedRequest request;
  request.asked_unix_ns = from.Get<std::int64_t>();
  request.symbol = from.GetText();
  if (!request.symbol.empty() && ValidateSymbol(request.symbol).has_error()) return Broken("has no sound symbol");
  const auto book_count = from.Get<std::uint32_t>();
  if (from.failed()) return Broken("is too short");
  if (book_count > kMostBooks) return Broken("has " + std::to_string(book_count) + " books");
  std::vector<BookSnapshot> books;
  for (std::uint32_t i = 0; i < book_count; ++i) {
    PUNCTUAL_ASSIGN(books.emplace_back(), GetBook(from));
  }
  if (!books.empty()) request.window = Window::Of(books, TimePoint());
  const auto input_count = from.Get<std::uint16_t>();
  auto inputs = std::make_shared<std::vector<NamedTensor>>();
  for (std::uint16_t i = 0; i < input_count; ++i) {
    PUNCTUAL_ASSIGN(inputs->emplace_back(), GetTensor(from));
  }
  if (from.failed()) return Broken("is too short");
  if (!from.at_end()) return Broken("goes on behind its end");
  if (books.empty() == inputs->empty()) return Broken("has neither books nor tensors, or both");
  if (!inputs->empty()) request.inputs = std::move(inputs);
  return request;
}

}  // namespace punctual
