#include "optimize/profile.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <cstring>
#include <numeric>
#include <utility>

#include "optimize/calibration_error.h"

namespace punctual::optimize {

namespace json = boost::json;

namespace {

constexpr std::size_t kBins = 10;
constexpr std::size_t kMostBins = 1000;  // of classes
constexpr double kClose = 0.02;          // of the standard deviation
constexpr double kCrowd = 0.2;           // of all numbers

std::size_t BinOf(const Spread& spread, double number) {
  return static_cast<std::size_t>(std::ranges::upper_bound(spread.edges, number) - spread.edges.begin());
}

double DeviationOf(const std::vector<double>& numbers) {
  const auto count = static_cast<double>(numbers.size());
  const double mean = std::accumulate(numbers.begin(), numbers.end(), 0.0) / count;
  double squares = 0;
  for (const double number : numbers) squares += (number - mean) * (number - mean);
  return std::sqrt(squares / count);
}

std::vector<double> SharesOf(const std::vector<std::size_t>& counts) {
  double all = 0;
  for (const std::size_t count : counts) all += static_cast<double>(count);
  std::vector<double> shares;
  for (const std::size_t count : counts) shares.push_back(static_cast<double>(count) / std::max(1.0, all));
  return shares;
}

std::vector<std::size_t> CountClasses(const Answers& answers) {
  std::vector<std::size_t> counts(answers.width);
  for (std::size_t i = 0; i < answers.count(); ++i) ++counts[LargestOf(answers[i])];
  return counts;
}

double IndexOf(const std::vector<double>& then, const std::vector<std::size_t>& counts) {
  double all = 0, index = 0;
  for (const std::size_t count : counts) all += static_cast<double>(count);
  const auto bins = static_cast<double>(counts.size());
  // `then` had many more numbers: what half a number would add to it is what it adds to as many as there are now.
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double now = (static_cast<double>(counts[i]) + 0.5) / (all + 0.5 * bins);
    const double before = (then[i] * all + 0.5) / (all + 0.5 * bins);
    index += (now - before) * std::log(now / before);
  }
  return index;
}

std::size_t LastAxisOf(const TensorSpec& input) {
  return input.shape.empty() ? 1 : static_cast<std::size_t>(input.shape.back());
}

// Of one input, how many of its numbers are columns, behind `before` others.
std::size_t ColumnsOf(const TensorSpec& input, std::size_t before) {
  return input.dtype == DType::kFloat32 ? std::min(LastAxisOf(input), kMostColumns - before) : 0;
}

json::object ObjectOf(const Spread& spread) {
  return {{"name", spread.name},
          {"edges", json::array(spread.edges.begin(), spread.edges.end())},
          {"shares", json::array(spread.shares.begin(), spread.shares.end())}};
}

// Reads with boost's own exceptions; ParseProfile catches them.
std::vector<double> NumbersOf(const json::value& value) {
  std::vector<double> numbers;
  for (const json::value& number : value.as_array()) numbers.push_back(number.to_number<double>());
  return numbers;
}

Spread SpreadFrom(const json::value& value) {
  const json::object& object = value.as_object();
  return {std::string(object.at("name").as_string()), NumbersOf(object.at("edges")), NumbersOf(object.at("shares"))};
}

bool IsSound(const Spread& spread) {
  const bool classes = spread.edges.empty();
  double sum = 0;
  for (const double share : spread.shares) {
    if (!(share >= 0)) return false;
    sum += share;
  }
  return !spread.shares.empty() && spread.shares.size() <= kMostBins && std::abs(sum - 1) < 1e-6 &&
         (classes || spread.shares.size() == spread.edges.size() + 1) &&
         std::ranges::adjacent_find(spread.edges, std::ranges::greater_equal()) == spread.edges.end() &&
         std::ranges::all_of(spread.edges, [](double edge) { return std::isfinite(edge); });
}

bool IsSound(const Profile::Variant& variant) {
  const auto is_sound = [](const Estimate& estimate) {
    return estimate.low >= 0 && estimate.low <= estimate.value && estimate.value <= estimate.high;
  };
  return variant.limit >= 0 && variant.limit <= 1 && is_sound(variant.difference);
}

}  // namespace

Spread SpreadOf(std::string name, std::vector<double> numbers) {
  Spread spread{std::move(name), {}, {}};
  std::ranges::sort(numbers);
  const double close = kClose * DeviationOf(numbers);
  const auto is_in_a_crowd = [&](double edge) {
    const auto near = std::ranges::lower_bound(numbers, edge - close / 2);
    const auto far = std::ranges::upper_bound(numbers, edge + close / 2);
    return static_cast<double>(far - near) > kCrowd * static_cast<double>(numbers.size());
  };
  // Between two numbers that are there, so that no rounding of the edge moves one of them to another bin.
  for (std::size_t bin = 1; bin < kBins; ++bin) {
    const auto above = std::ranges::lower_bound(numbers, numbers[bin * numbers.size() / kBins]);
    if (above == numbers.begin()) continue;
    const double edge = std::midpoint(*(above - 1), *above);
    if ((spread.edges.empty() || edge > spread.edges.back()) && !is_in_a_crowd(edge)) spread.edges.push_back(edge);
  }
  if (spread.edges.empty()) {
    // A constant, or nearly one: it lies alone in its bin, so that whatever else comes is seen.
    const double most = numbers[numbers.size() / 2], room = std::max({close, std::abs(most) * 1e-6, 1e-12});
    spread.edges = {most - room, most + room};
  }
  std::vector<std::size_t> counts(spread.edges.size() + 1);
  for (const double number : numbers) ++counts[BinOf(spread, number)];
  spread.shares = SharesOf(counts);
  return spread;
}

Spread SpreadOfClasses(const Answers& answers) { return {"classes", {}, SharesOf(CountClasses(answers))}; }

double StabilityIndex(const Spread& then, std::span<const double> now) {
  std::vector<std::size_t> counts(then.shares.size());
  for (const double number : now) ++counts[BinOf(then, number)];
  return IndexOf(then.shares, counts);
}

double StabilityIndexOfClasses(const Spread& then, const Answers& now) {
  return IndexOf(then.shares, CountClasses(now));
}

std::vector<std::string> ColumnNames(const std::vector<TensorSpec>& inputs,
                                     const std::vector<std::string>& feature_columns) {
  std::vector<std::string> names;
  for (const TensorSpec& input : inputs) {
    const std::size_t columns = ColumnsOf(input, names.size());
    for (std::size_t i = 0; i < columns; ++i)
      names.push_back(feature_columns.size() == LastAxisOf(input) ? feature_columns[i]
                                                                  : input.name + "[" + std::to_string(i) + "]");
  }
  return names;
}

void AppendColumns(const std::vector<TensorSpec>& inputs, std::span<const std::span<const std::byte>> values,
                   std::vector<double>& to) {
  std::size_t before = 0;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::size_t columns = ColumnsOf(inputs[i], before);
    const auto row = values[i].last(std::min(values[i].size(), LastAxisOf(inputs[i]) * sizeof(float)));
    for (std::size_t column = 0; column < columns; ++column) {
      float number = 0;
      std::memcpy(&number, row.data() + column * sizeof number, sizeof number);
      to.push_back(static_cast<double>(number));
    }
    before += columns;
  }
}

std::string ProfileJson(const Profile& profile) {
  json::array inputs, variants;
  for (const Spread& spread : profile.inputs) inputs.push_back(ObjectOf(spread));
  for (const Profile::Variant& variant : profile.variants)
    variants.push_back(json::object{{"variant", variant.variant},
                                    {"backend", variant.backend},
                                    {"file", variant.file},
                                    {"limit", variant.limit},
                                    {"difference", variant.difference.value},
                                    {"low", variant.difference.low},
                                    {"high", variant.difference.high}});
  // With every digit: the edges of what hardly changes lie close together.
  return json::serialize(json::object{{"model", profile.model},
                                      {"samples", profile.samples},
                                      {"answers", ObjectOf(profile.answers)},
                                      {"variants", variants},
                                      {"inputs", inputs}}) +
         "\n";
}

Result<Profile> ParseProfile(std::string_view text) {
  Profile profile;
  try {
    const json::object object = json::parse(text).as_object();
    profile.model = object.at("model").as_string();
    profile.samples = object.at("samples").to_number<std::size_t>();
    profile.answers = SpreadFrom(object.at("answers"));
    for (const json::value& spread : object.at("inputs").as_array()) profile.inputs.push_back(SpreadFrom(spread));
    for (const json::value& value : object.at("variants").as_array()) {
      const json::object& variant = value.as_object();
      profile.variants.push_back({std::string(variant.at("variant").as_string()),
                                  std::string(variant.at("backend").as_string()),
                                  std::string(variant.at("file").as_string()),
                                  variant.at("limit").to_number<double>(),
                                  {variant.at("difference").to_number<double>(), variant.at("low").to_number<double>(),
                                   variant.at("high").to_number<double>()}});
    }
  } catch (const std::exception& error) {
    return Fail(Code::kInvalidArgument, std::string("is no profile: ") + error.what());
  }
  const auto is_sound_input = [](const Spread& spread) { return IsSound(spread) && !spread.edges.empty(); };
  const auto is_sound_variant = [](const Profile::Variant& variant) { return IsSound(variant); };
  if (profile.inputs.size() > kMostColumns || !IsSound(profile.answers) ||
      !std::ranges::all_of(profile.inputs, is_sound_input) || !std::ranges::all_of(profile.variants, is_sound_variant))
    return Fail(Code::kInvalidArgument, "is no profile: has figures that are not sound");
  return profile;
}

}  // namespace punctual::optimize
