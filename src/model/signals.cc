#include "model/signals.h"

#include <charconv>
#include <cmath>

#include "base/clock.h"
#include "base/text.h"

namespace punctual {

namespace {

template <class Number>
bool ParseNumber(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

Result<Signals> ParseSignals(std::string_view text, const std::string& path, const std::vector<TensorSpec>& outputs) {
  std::vector<std::string> columns = {"symbol", "computed_at_ns"};
  for (const TensorSpec& output : outputs) {
    if (output.dtype != DType::kFloat32)
      return Fail(Code::kInvalidArgument, path + ": signals are for float32 outputs; \"" + output.name + "\" is " +
                                              std::string(DTypeName(output.dtype)));
    const std::size_t count = ElementCount(output.shape).value();
    for (std::size_t i = 0; i < count; ++i) columns.push_back(output.name + "_" + std::to_string(i));
  }
  Signals signals;
  for (int line_number = 1; !text.empty(); ++line_number) {
    const std::size_t newline = text.find('\n');
    std::string_view line = text.substr(0, newline);
    text.remove_prefix(newline == std::string_view::npos ? text.size() : newline + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const auto refuse = [&](const std::string& what) {
      return Fail(Code::kInvalidArgument, path + ":" + std::to_string(line_number) + ": " + what);
    };
    const std::vector<std::string_view> fields = SplitAtCommas(line);
    if (fields.size() != columns.size())
      return refuse("has " + std::to_string(fields.size()) + " columns, must have " + std::to_string(columns.size()));
    if (line_number == 1) {
      for (std::size_t i = 0; i < columns.size(); ++i)
        if (fields[i] != columns[i]) return refuse("column " + std::to_string(i + 1) + " must be called " + columns[i]);
      continue;
    }
    Signal signal;
    if (!ParseNumber(fields[1], signal.computed_at_ns) || signal.computed_at_ns <= 0)
      return refuse("computed_at_ns: must be a Unix time in nanoseconds");
    // Its age would be negative, and it would never be too old. Clocks differ by minutes, not by more.
    if (signal.computed_at_ns > UnixTimeNs() + Duration(std::chrono::minutes(5)).count())
      return refuse("computed_at_ns: lies in the future");
    std::vector<NamedTensor> tensors;
    std::size_t at = 2;
    for (const TensorSpec& output : outputs) {
      Tensor tensor(DType::kFloat32, output.shape);
      for (float& value : tensor.mutable_values<float>()) {
        if (!ParseNumber(fields[at], value) || !std::isfinite(value))
          return refuse(columns[at] + ": must be a finite number");
        ++at;
      }
      tensors.push_back({output.name, std::move(tensor)});
    }
    signal.outputs = Outputs(tensors);
    if (!signals.emplace(fields[0], std::move(signal)).second)
      return refuse("symbol: \"" + std::string(fields[0]) + "\" stands there twice");
  }
  return signals;
}

}  // namespace punctual
