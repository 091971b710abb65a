#include "optimize/read_labels.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fstream>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <span>
#include <tuple>

#include "base/text.h"
#include "market/line_reader.h"
#include "optimize/array_file.h"

namespace punctual::optimize {
namespace {

constexpr const char* kColumnNames[] = {"label", "symbol", "time_ns"};

Error Bad(std::string message) { return Fail(Code::kInvalidArgument, std::move(message)); }

Error TooMany(const std::string& path) {
  return Fail(Code::kResourceExhausted, path + ": has more than " + std::to_string(kMostLabels) + " labels");
}

template <class Number>
Result<Number> ParseNumber(std::string_view field, const char* column) {
  Number number{};
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), number);
  if (error == std::errc() && end == field.data() + field.size()) return number;
  return Bad(std::string(column) + ": " + QuotedText(field) + " is not a whole number, or is out of range");
}

template <class Integer>
Result<void> AppendLabels(std::span<const std::byte> bytes, Labels& labels) {
  Integer value;
  for (std::size_t i = 0; i < bytes.size() / sizeof value; ++i) {
    std::memcpy(&value, bytes.data() + i * sizeof value, sizeof value);
    if (std::cmp_less(value, Samples::kNoLabel) || std::cmp_greater(value, std::numeric_limits<std::int32_t>::max()))
      return Bad(labels.path + ": [" + std::to_string(i) + "] is " + std::to_string(value) +
                 ", but a label is a class from 0, or -1: not known");
    labels.labels.push_back(static_cast<std::int32_t>(value));
  }
  return {};
}

Result<void> AppendLabels(const NpyHeader& header, std::span<const std::byte> bytes, Labels& labels) {
  const bool is_signed = header.kind == NpyHeader::Kind::kSigned;
  switch (header.item_bytes) {
    case 1: return is_signed ? AppendLabels<std::int8_t>(bytes, labels) : AppendLabels<std::uint8_t>(bytes, labels);
    case 2: return is_signed ? AppendLabels<std::int16_t>(bytes, labels) : AppendLabels<std::uint16_t>(bytes, labels);
    case 4: return is_signed ? AppendLabels<std::int32_t>(bytes, labels) : AppendLabels<std::uint32_t>(bytes, labels);
    default: return is_signed ? AppendLabels<std::int64_t>(bytes, labels) : AppendLabels<std::uint64_t>(bytes, labels);
  }
}

Result<Labels> ReadNpy(const std::string& path) {
  PUNCTUAL_ASSIGN(const auto file, ArrayFile::Open(path));
  PUNCTUAL_ASSIGN(const auto array, file->Array(0));
  const NpyHeader& header = array->header();
  const bool is_column = header.shape.size() == 1 || (header.shape.size() == 2 && header.shape[1] == 1);
  if (!is_column || header.kind == NpyHeader::Kind::kFloat)
    return Bad(path + ": is " + NpyTypeName(header) + " " + ShapeText(header.shape) +
               ", but labels are one whole number a sample; use .astype(numpy.int64)");
  if (static_cast<std::size_t>(header.shape[0]) > kMostLabels) return TooMany(path);
  std::vector<std::byte> bytes(header.data_bytes);
  PUNCTUAL_TRY(array->Read(bytes));
  Labels labels{.path = path};
  PUNCTUAL_TRY(AppendLabels(header, bytes, labels));
  return labels;
}

// Names in the order they came, and their places.
class Symbols {
 public:
  std::uint32_t PlaceOf(std::string_view name) {
    const auto found = places_.find(name);
    if (found != places_.end()) return found->second;
    const auto place = static_cast<std::uint32_t>(names_.size());
    names_.emplace_back(name);
    places_.emplace(name, place);
    return place;
  }
  std::vector<std::string> Take() { return std::move(names_); }

 private:
  std::vector<std::string> names_;
  std::map<std::string, std::uint32_t, std::less<>> places_;
};

Result<Labels> ReadCsv(const std::string& path) {
  PUNCTUAL_ASSIGN(LineReader lines, LineReader::Open(path));
  const auto refuse = [&](const Error& error) {
    return Fail(error.code, path + ":" + std::to_string(lines.line_number()) + ": " + error.message);
  };
  PUNCTUAL_ASSIGN(const auto header, lines.Next());
  if (!header) return Bad(path + ": is empty; the first line must name the columns");
  const auto csv = LabelsCsv::FromHeader(header->text);
  if (csv.has_error()) return refuse(csv.error());
  Labels labels{.path = path};
  Symbols symbols;
  for (;;) {
    PUNCTUAL_ASSIGN(const auto line, lines.Next());
    if (!line) break;
    if (labels.labels.size() == kMostLabels) return TooMany(path);
    const auto row = line->too_long ? Bad("the line is too long") : csv->ParseLine(line->text);
    if (row.has_error()) return refuse(row.error());
    labels.labels.push_back(row->label);
    if (csv->has_time()) labels.time_ns.push_back(row->time_ns);
    if (csv->has_symbol()) labels.symbol.push_back(symbols.PlaceOf(row->symbol));
  }
  labels.symbols = symbols.Take();
  return labels;
}

std::string NameOf(const Labels& labels, std::size_t row) {
  return (labels.symbol.empty() ? "" : labels.symbols[labels.symbol[row]] + " at ") +
         std::to_string(labels.time_ns[row]);
}

constexpr std::uint32_t kNoSymbol = std::numeric_limits<std::uint32_t>::max();

// Of each of the labels' symbols, which one of the samples' it is.
std::vector<std::uint32_t> SamplesSymbols(const Labels& labels, const Samples& samples) {
  std::vector<std::uint32_t> places;
  for (const std::string& symbol : labels.symbols) {
    const auto found = std::find(samples.symbols.begin(), samples.symbols.end(), symbol);
    places.push_back(found == samples.symbols.end() ? kNoSymbol
                                                    : static_cast<std::uint32_t>(found - samples.symbols.begin()));
  }
  return places;
}

struct Known {
  std::uint32_t symbol;
  std::int64_t time_ns;
  std::size_t row;
  auto When() const { return std::tie(symbol, time_ns); }
};

// The rows of the samples' symbols, by symbol and time; no two contradict each other.
Result<std::vector<Known>> SortedRows(const Labels& labels, const Samples& samples) {
  const auto places = SamplesSymbols(labels, samples);
  std::vector<Known> rows;
  for (std::size_t row = 0; row < labels.labels.size(); ++row) {
    const std::uint32_t symbol = labels.symbol.empty() ? 0 : places[labels.symbol[row]];
    if (symbol != kNoSymbol) rows.push_back({symbol, labels.time_ns[row], row});
  }
  std::sort(rows.begin(), rows.end(), [](const Known& a, const Known& b) {
    return std::tie(a.symbol, a.time_ns, a.row) < std::tie(b.symbol, b.time_ns, b.row);
  });
  for (std::size_t i = 1; i < rows.size(); ++i)
    if (rows[i].When() == rows[i - 1].When() && labels.labels[rows[i].row] != labels.labels[rows[i - 1].row])
      return Bad(labels.path + ": row " + std::to_string(rows[i].row + 1) + " contradicts row " +
                 std::to_string(rows[i - 1].row + 1) + ": both are of " + NameOf(labels, rows[i].row));
  return rows;
}

}  // namespace

Result<LabelsCsv> LabelsCsv::FromHeader(std::string_view line) {
  LabelsCsv csv;
  for (const std::string_view field : SplitAtCommas(line)) {
    const auto name = std::find(std::begin(kColumnNames), std::end(kColumnNames), field);
    if (name == std::end(kColumnNames))
      return Bad("column " + QuotedText(field) + " is not known; there are label, symbol and time_ns");
    const auto column = static_cast<Column>(name - std::begin(kColumnNames));
    if (csv.Has(column)) return Bad("column " + QuotedText(field) + " is there twice");
    csv.columns_.push_back(column);
  }
  if (!csv.Has(Column::kLabel)) return Bad("the column label is not there");
  return csv;
}

bool LabelsCsv::Has(Column column) const {
  return std::find(columns_.begin(), columns_.end(), column) != columns_.end();
}

Result<LabelsCsv::Row> LabelsCsv::ParseLine(std::string_view line) const {
  const auto fields = SplitAtCommas(line);
  if (fields.size() != columns_.size())
    return Bad("there are " + std::to_string(fields.size()) + " columns, the header has " +
               std::to_string(columns_.size()));
  Row row;
  for (std::size_t i = 0; i < fields.size(); ++i) {
    if (columns_[i] == Column::kSymbol) row.symbol = fields[i];
    if (columns_[i] == Column::kTime) {
      PUNCTUAL_ASSIGN(row.time_ns, ParseNumber<std::int64_t>(fields[i], "time_ns"));
    }
    if (columns_[i] == Column::kLabel) {
      PUNCTUAL_ASSIGN(row.label, ParseNumber<std::int32_t>(fields[i], "label"));
      if (row.label < Samples::kNoLabel)
        return Bad("label: " + std::to_string(row.label) + " is no class from 0, nor -1: not known");
    }
  }
  return row;
}

Result<Labels> ReadLabels(const std::string& path) {
  std::string begin(kNpyMagic.size(), '\0');
  std::ifstream(path, std::ios::binary).read(begin.data(), static_cast<std::streamsize>(begin.size()));
  return begin == kNpyMagic ? ReadNpy(path) : ReadCsv(path);
}

Result<void> LabelInOrder(const Labels& labels, Samples& samples) {
  if (labels.labels.size() != samples.count())
    return Bad(labels.path + ": has " + std::to_string(labels.labels.size()) + " labels for " +
               std::to_string(samples.count()) + " samples; it takes one for each");
  std::vector<std::optional<std::int64_t>> last(std::max<std::size_t>(labels.symbols.size(), 1));
  for (std::size_t row = 0; row < labels.time_ns.size(); ++row) {
    auto& before = last[labels.symbol.empty() ? 0 : labels.symbol[row]];
    if (before && labels.time_ns[row] < *before)
      return Bad(labels.path + ": row " + std::to_string(row + 1) + ", " + NameOf(labels, row) +
                 ", is before a row above it; samples must be in the order of time");
    before = labels.time_ns[row];
  }
  samples.labels = labels.labels;
  if (!labels.time_ns.empty()) samples.time_ns = labels.time_ns;
  if (labels.symbol.empty()) return {};
  samples.symbol = labels.symbol;
  samples.symbols = labels.symbols;
  std::vector<std::uint64_t> next(labels.symbols.size());
  for (std::size_t i = 0; i < samples.count(); ++i) samples.snapshot[i] = next[samples.symbol[i]]++;
  return {};
}

Result<void> LabelByTime(const Labels& labels, Samples& samples) {
  if (labels.time_ns.empty() || (labels.symbol.empty() && samples.symbols.size() > 1))
    return Bad(labels.path +
               ": must be CSV with the columns label, time_ns and, of several symbols, symbol: order books "
               "are labelled by when they were received");
  PUNCTUAL_ASSIGN(const auto rows, SortedRows(labels, samples));
  std::vector<std::int32_t> found(samples.count(), Samples::kNoLabel);
  bool any = false;
  for (std::size_t i = 0; i < samples.count(); ++i) {
    const Known wanted{samples.symbol[i], samples.time_ns[i], 0};
    const auto row = std::lower_bound(rows.begin(), rows.end(), wanted,
                                      [](const Known& a, const Known& b) { return a.When() < b.When(); });
    if (row == rows.end() || row->When() != wanted.When()) continue;
    found[i] = labels.labels[row->row];
    any = true;
  }
  if (!any)
    return Bad(labels.path + ": has no label of any sample; the first is of " + samples.symbols[samples.symbol[0]] +
               " at " + std::to_string(samples.time_ns[0]));
  samples.labels = std::move(found);
  return {};
}

}  // namespace punctual::optimize
