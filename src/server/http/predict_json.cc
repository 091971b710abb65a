#include "server/http/predict_json.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "server/http/market_reader.h"

namespace punctual::http {

namespace {

constexpr std::array<std::string_view, 6> kRequestFields = {"user",   "symbol", "model",
                                                            "market", "inputs", "deadline_ms"};
constexpr std::array<std::string_view, 3> kTensorFields = {"shape", "dtype", "data"};
constexpr std::size_t kMaxInputs = 64;
constexpr std::size_t kMaxRank = 8;

// Reads nested lists into a flat row of numbers and the shape that their nesting is.
template <class T>
class NestedList {
 public:
  explicit NestedList(std::vector<T>& values) : values_(values) { values_.clear(); }
  const Shape& shape() const { return shape_; }

  Result<void> Read(ondemand::array list, const JsonPath& path, std::size_t depth = 0) {
    if (depth == kMaxRank) return Refused(path, "must not nest more than " + std::to_string(kMaxRank) + " lists");
    const bool first_of_its_depth = shape_.size() == depth;
    if (first_of_its_depth) shape_.push_back(0);
    std::size_t count = 0;
    for (auto iterated : list) {
      const JsonPath here = path.At(count++);
      ondemand::value element;
      if (const auto error = std::move(iterated).get(element)) return Malformed(here, error);
      if (depth != number_depth_ && (number_depth_ != kUnknown || IsList(element))) {
        PUNCTUAL_ASSIGN(ondemand::array inner, ReadArray(element, here));
        PUNCTUAL_TRY(Read(inner, here, depth + 1));
        continue;
      }
      number_depth_ = depth;
      T number{};
      PUNCTUAL_TRY(ReadNumber(element, here, number));
      values_.push_back(number);
    }
    if (count == 0) return Refused(path, "must not be an empty list");
    const auto size = static_cast<std::int64_t>(count);
    if (first_of_its_depth) shape_[depth] = size;
    if (shape_[depth] != size)
      return Refused(path, "has " + std::to_string(size) + " elements where the lists before it have " +
                               std::to_string(shape_[depth]));
    return {};
  }

 private:
  static constexpr std::size_t kUnknown = kMaxRank;
  static bool IsList(ondemand::value& element) {
    ondemand::json_type type{};
    return element.type().get(type) == simdjson::SUCCESS && type == ondemand::json_type::array;
  }

  std::vector<T>& values_;
  Shape shape_;
  std::size_t number_depth_ = kUnknown;  // where the numbers are; no list is deeper
};

// `shape`: what the request says it is; empty: what the nesting says.
template <class T>
Result<Tensor> ReadTensor(JsonParser::State& state, DType dtype, ondemand::value& value, const JsonPath& path,
                          const Shape* shape) {
  PUNCTUAL_ASSIGN(ondemand::array list, ReadArray(value, path));
  auto& numbers = std::get<std::vector<T>>(state.numbers);
  NestedList<T> nested(numbers);
  PUNCTUAL_TRY(nested.Read(list, path));
  if (shape != nullptr) {
    PUNCTUAL_ASSIGN(const std::size_t wanted, ElementCount(*shape));
    if (wanted != numbers.size())
      return Refused(path, "has " + std::to_string(numbers.size()) + " numbers; shape " + ShapeText(*shape) + " has " +
                               std::to_string(wanted));
  }
  Tensor tensor(dtype, shape != nullptr ? *shape : nested.shape());
  std::memcpy(tensor.mutable_bytes().data(), numbers.data(), numbers.size() * sizeof(T));
  return tensor;
}

Result<DType> ReadDType(ondemand::value& value, const JsonPath& path) {
  PUNCTUAL_ASSIGN(const std::string_view name, ReadName(value, path));
  for (const DType dtype : {DType::kFloat32, DType::kFloat64, DType::kInt32, DType::kInt64})
    if (DTypeName(dtype) == name) return dtype;
  return Refused(path, "must be FP32, FP64, INT32 or INT64");
}

Result<Shape> ReadShape(ondemand::value& value, const JsonPath& path) {
  PUNCTUAL_ASSIGN(ondemand::array list, ReadArray(value, path));
  Shape shape;
  for (auto iterated : list) {
    const JsonPath here = path.At(shape.size());
    ondemand::value element;
    if (const auto error = std::move(iterated).get(element)) return Malformed(here, error);
    if (shape.size() == kMaxRank) return Refused(path, "must have at most " + std::to_string(kMaxRank) + " dimensions");
    std::int64_t dimension = 0;
    PUNCTUAL_TRY(ReadNumber(element, here, dimension));
    if (dimension < 1) return Refused(here, "must be at least 1");
    shape.push_back(dimension);
  }
  if (auto count = ElementCount(shape); count.has_error()) return Refused(path, count.error().message);
  return shape;
}

// {"shape":..,"dtype":..,"data":..} in any order: the numbers can only be read once the type is known, so in a second
// walk.
Result<Tensor> ReadTensorObject(JsonParser::State& state, ondemand::value& value, const JsonPath& path) {
  PUNCTUAL_ASSIGN(ondemand::object object, ReadObject(value, path));
  Fields fields(kTensorFields);
  Shape shape;
  DType dtype = DType::kFloat32;
  for (auto iterated : object) {
    ondemand::value inner;
    PUNCTUAL_ASSIGN(const std::size_t field, fields.Take(iterated, path, inner));
    if (field == 0) {
      PUNCTUAL_ASSIGN(shape, ReadShape(inner, path.Key("shape")));
    } else if (field == 1) {
      PUNCTUAL_ASSIGN(dtype, ReadDType(inner, path.Key("dtype")));
    }
  }
  ondemand::value data;
  if (const auto error = object.reset().error()) return Malformed(path, error);
  if (object.find_field("data").get(data) != simdjson::SUCCESS) return Refused(path.Key("data"), "is missing");
  const JsonPath here = path.Key("data");
  const Shape* wanted = fields.Has(0) ? &shape : nullptr;
  Result<Tensor> tensor = Tensor();
  switch (dtype) {
    case DType::kFloat32: tensor = ReadTensor<float>(state, dtype, data, here, wanted); break;
    case DType::kFloat64: tensor = ReadTensor<double>(state, dtype, data, here, wanted); break;
    case DType::kInt32: tensor = ReadTensor<std::int32_t>(state, dtype, data, here, wanted); break;
    case DType::kInt64: tensor = ReadTensor<std::int64_t>(state, dtype, data, here, wanted); break;
  }
  return tensor;
}

Result<void> ReadInputs(JsonParser::State& state, ondemand::value& value, const JsonPath& path,
                        std::vector<NamedTensor>& inputs) {
  PUNCTUAL_ASSIGN(ondemand::object object, ReadObject(value, path));
  for (auto iterated : object) {
    ondemand::field field;
    if (const auto error = std::move(iterated).get(field)) return Malformed(path, error);
    std::string_view name;
    if (const auto error = field.unescaped_key().get(name)) return Malformed(path, error);
    const JsonPath here = path.Key(name);
    PUNCTUAL_TRY(CheckName(name, here));
    if (inputs.size() == kMaxInputs) return Refused(path, "must be at most " + std::to_string(kMaxInputs) + " tensors");
    if (std::any_of(inputs.begin(), inputs.end(), [&](const NamedTensor& input) { return input.name == name; }))
      return Refused(here, "is there twice");
    ondemand::value tensor = field.value();
    ondemand::json_type type{};
    if (const auto error = tensor.type().get(type)) return WrongType(tensor, here, "a list or an object");
    if (type == ondemand::json_type::object) {
      PUNCTUAL_ASSIGN(Tensor read, ReadTensorObject(state, tensor, here));
      inputs.push_back({std::string(name), std::move(read)});
    } else {
      PUNCTUAL_ASSIGN(Tensor read, ReadTensor<float>(state, DType::kFloat32, tensor, here, nullptr));
      inputs.push_back({std::string(name), std::move(read)});
    }
  }
  if (inputs.empty()) return Refused(path, "must have at least one tensor");
  return {};
}

Result<Duration> ReadBudget(ondemand::value& value, const JsonPath& path) {
  double ms = 0;
  PUNCTUAL_TRY(ReadNumber(value, path, ms));
  if (!(ms > 0)) return Refused(path, "must be above 0");
  constexpr double kLongestMs = 3.6e6;  // a tier's budget is shorter anyway, and cuts it
  return Duration(std::max<std::int64_t>(1, std::llround(std::min(ms, kLongestMs) * 1e6)));
}

}  // namespace

Result<PredictRequest> ParsePredictRequest(JsonParser& parser, PaddedText body) {
  ondemand::document document;
  ondemand::object object;
  const JsonPath root;
  PUNCTUAL_TRY(OpenObject(parser.state(), body, document, object));
  PredictRequest request;
  Fields fields(kRequestFields);
  for (auto iterated : object) {
    ondemand::value value;
    PUNCTUAL_ASSIGN(const std::size_t field, fields.Take(iterated, root, value));
    const JsonPath here = root.Key(kRequestFields[field]);
    switch (field) {
      case 0: {
        PUNCTUAL_ASSIGN(request.user, ReadName(value, here));
        break;
      }
      case 1: {
        PUNCTUAL_ASSIGN(request.symbol, ReadName(value, here));
        break;
      }
      case 2: {
        PUNCTUAL_ASSIGN(request.model, ReadName(value, here));
        break;
      }
      case 3: PUNCTUAL_TRY(ReadBooks(value, here, request.market)); break;
      case 4: PUNCTUAL_TRY(ReadInputs(parser.state(), value, here, request.inputs)); break;
      default: {
        PUNCTUAL_ASSIGN(request.budget, ReadBudget(value, here));
      }
    }
  }
  PUNCTUAL_TRY(ExpectEnd(document));
  if (!fields.Has(0)) return Refused(root.Key("user"), "is missing");
  if (!fields.Has(1) && !fields.Has(3) && !fields.Has(4))
    return Refused(root, "must have \"symbol\", \"market\" or \"inputs\"");
  return request;
}

}  // namespace punctual::http
