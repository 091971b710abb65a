#include "server/http/market_json.h"

#include <algorithm>

#include "server/http/market_reader.h"

namespace punctual::http {

namespace {

constexpr std::array<std::string_view, 5> kSnapshotFields = {"seq", "time_ns", "receive_time_ns", "asks", "bids"};

// Reads one side into the levels' `price` and `size`; gives how many levels it has.
Result<int> ReadSide(ondemand::value& value, const JsonPath& path, double BookLevel::*price, double BookLevel::*size,
                     BookSnapshot& snapshot) {
  PUNCTUAL_ASSIGN(ondemand::array side, ReadArray(value, path));
  int count = 0;
  for (auto iterated : side) {
    const JsonPath here = path.At(static_cast<std::size_t>(count));
    ondemand::value element;
    if (const auto error = std::move(iterated).get(element)) return Malformed(here, error);
    if (count == kMaxBookLevels)
      return Refused(path, "must have at most " + std::to_string(kMaxBookLevels) + " levels");
    PUNCTUAL_ASSIGN(ondemand::array level, ReadArray(element, here));
    double numbers[2] = {};
    std::size_t read = 0;
    for (auto inner : level) {
      ondemand::value number;
      if (const auto error = std::move(inner).get(number)) return Malformed(here, error);
      if (read == 2) return Refused(here, "must be [price, size]");
      PUNCTUAL_TRY(ReadNumber(number, here.At(read), numbers[read]));
      ++read;
    }
    if (read != 2) return Refused(here, "must be [price, size]");
    BookLevel& at = snapshot.levels[static_cast<std::size_t>(count++)];
    at.*price = numbers[0];
    at.*size = numbers[1];
  }
  if (count == 0) return Refused(path, "must have at least one level");
  return count;
}

}  // namespace

Result<void> ReadSnapshot(ondemand::object object, const JsonPath& path, Sequence sequence, BookSnapshot& snapshot) {
  Fields fields(kSnapshotFields);
  int asks = 0, bids = 0;
  for (auto iterated : object) {
    ondemand::value value;
    PUNCTUAL_ASSIGN(const std::size_t field, fields.Take(iterated, path, value));
    const JsonPath here = path.Key(kSnapshotFields[field]);
    switch (field) {
      case 0: PUNCTUAL_TRY(ReadNumber(value, here, snapshot.sequence)); break;
      case 1: PUNCTUAL_TRY(ReadNumber(value, here, snapshot.exchange_time_ns)); break;
      case 2: PUNCTUAL_TRY(ReadNumber(value, here, snapshot.receive_time_ns)); break;
      case 3: {
        PUNCTUAL_ASSIGN(asks, ReadSide(value, here, &BookLevel::ask_price, &BookLevel::ask_size, snapshot));
        break;
      }
      default: {
        PUNCTUAL_ASSIGN(bids, ReadSide(value, here, &BookLevel::bid_price, &BookLevel::bid_size, snapshot));
      }
    }
  }
  for (const std::size_t needed : {3u, 4u})
    if (!fields.Has(needed)) return Refused(path.Key(kSnapshotFields[needed]), "is missing");
  if (sequence == Sequence::kRequired && !fields.Has(0)) return Refused(path.Key("seq"), "is missing");
  snapshot.level_count = std::min(asks, bids);
  // What the longer side has beyond does not count, nor does it stay.
  std::fill(snapshot.levels.begin() + snapshot.level_count, snapshot.levels.end(), BookLevel{});
  return {};
}

Result<void> ReadBooks(ondemand::value& value, const JsonPath& path, std::vector<BookSnapshot>& books) {
  ondemand::json_type type{};
  if (const auto error = value.type().get(type)) return WrongType(value, path, "an object or a list");
  if (type == ondemand::json_type::object) {
    PUNCTUAL_ASSIGN(ondemand::object object, ReadObject(value, path));
    return ReadSnapshot(object, path, Sequence::kOptional, books.emplace_back());
  }
  if (type != ondemand::json_type::array) return WrongType(value, path, "an object or a list");
  PUNCTUAL_ASSIGN(ondemand::array list, ReadArray(value, path));
  for (auto iterated : list) {
    const JsonPath here = path.At(books.size());
    ondemand::value element;
    if (const auto error = std::move(iterated).get(element)) return Malformed(here, error);
    if (books.size() == kMaxRequestBooks)
      return Refused(path, "must have at most " + std::to_string(kMaxRequestBooks) + " books");
    PUNCTUAL_ASSIGN(ondemand::object object, ReadObject(element, here));
    PUNCTUAL_TRY(ReadSnapshot(object, here, Sequence::kOptional, books.emplace_back()));
  }
  if (books.empty()) return Refused(path, "must have at least one book");
  return {};
}

Result<BookSnapshot> ParseSnapshot(JsonParser& parser, PaddedText text) {
  ondemand::document document;
  ondemand::object object;
  PUNCTUAL_TRY(OpenObject(parser.state(), text, document, object));
  BookSnapshot snapshot;
  PUNCTUAL_TRY(ReadSnapshot(object, {}, Sequence::kRequired, snapshot));
  PUNCTUAL_TRY(ExpectEnd(document));
  return snapshot;
}

}  // namespace punctual::http
