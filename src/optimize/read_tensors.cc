#include "optimize/read_tensors.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <span>

#include "optimize/array_file.h"

namespace punctual::optimize {
namespace {

std::string Names(const std::vector<TensorSpec>& inputs) {
  std::string names;
  for (const TensorSpec& input : inputs) names += (names.empty() ? "" : ", ") + input.name;
  return names;
}

// Of each input, its array's place.
Result<std::vector<std::size_t>> MatchArrays(const ArrayFile& file, const std::string& path,
                                             const std::vector<TensorSpec>& inputs) {
  const std::vector<std::string>& names = file.names();
  const bool is_one_array = names.size() == 1 && names[0].empty();
  if (is_one_array && inputs.size() == 1) return std::vector<std::size_t>{0};
  if (is_one_array)
    return Fail(Code::kInvalidArgument, path + ": is one array, but the model has the inputs " + Names(inputs) +
                                            "; write them with numpy.savez, by their names");
  std::vector<std::size_t> places;
  for (const TensorSpec& input : inputs) {
    const auto found = std::find(names.begin(), names.end(), input.name);
    if (found == names.end()) {
      std::string there;
      for (const std::string& name : names) there += (there.empty() ? "" : ", ") + name;
      return Fail(Code::kInvalidArgument, path + ": has no array \"" + input.name +
                                              "\", which the model takes; it has " + (there.empty() ? "none" : there));
    }
    places.push_back(static_cast<std::size_t>(found - names.begin()));
  }
  return places;
}

std::string NumpyName(DType dtype) {
  switch (dtype) {
    case DType::kFloat32: return "float32";
    case DType::kFloat64: return "float64";
    case DType::kInt32: return "int32";
    case DType::kInt64: return "int64";
  }
  return "?";
}

bool HasShape(std::span<const std::int64_t> sample, const Shape& shape) {
  if (std::ranges::equal(sample, shape)) return true;
  return !shape.empty() && shape[0] == 1 && std::ranges::equal(sample, std::span(shape).subspan(1));
}

Result<void> CheckArray(const ArrayReader& array, const TensorSpec& input) {
  const NpyHeader& header = array.header();
  if (NpyTypeName(header) != NumpyName(input.dtype))
    return Fail(Code::kInvalidArgument, array.where() + ": is " + NpyTypeName(header) + ", but the input \"" +
                                            input.name + "\" is " + NumpyName(input.dtype) + "; use .astype(numpy." +
                                            NumpyName(input.dtype) + ")");
  if (header.shape.empty() || !HasShape(std::span(header.shape).subspan(1), input.shape))
    return Fail(Code::kInvalidArgument, array.where() + ": has the shape " + ShapeText(header.shape) +
                                            "; it must be samples of the input \"" + input.name + "\", which is " +
                                            ShapeText(input.shape));
  PUNCTUAL_ASSIGN(const std::size_t numbers, ElementCount(input.shape));
  if (numbers == 0)
    return Fail(Code::kInvalidArgument,
                array.where() + ": the input \"" + input.name + "\" holds no numbers: there is nothing to compare");
  if (header.shape[0] == 0) return Fail(Code::kInvalidArgument, array.where() + ": has no samples");
  return {};
}

template <class Float>
std::size_t FirstNotFinite(std::span<const std::byte> bytes) {
  Float value;
  for (std::size_t i = 0; i < bytes.size() / sizeof value; ++i) {
    std::memcpy(&value, bytes.data() + i * sizeof value, sizeof value);
    if (!std::isfinite(value)) return i;
  }
  return bytes.size() / sizeof value;
}

// "[17,3,4]", as one would ask NumPy for it.
std::string IndexText(std::size_t place, const Shape& shape) {
  Shape index(shape.size());
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    index[axis] = static_cast<std::int64_t>(place % static_cast<std::size_t>(shape[axis]));
    place /= static_cast<std::size_t>(shape[axis]);
  }
  return ShapeText(index);
}

Result<void> CheckFinite(const ArrayReader& array, DType dtype, std::span<const std::byte> bytes) {
  if (AllFinite(dtype, bytes)) return {};
  const std::size_t place = dtype == DType::kFloat32 ? FirstNotFinite<float>(bytes) : FirstNotFinite<double>(bytes);
  return Fail(Code::kInvalidArgument, array.where() + ": " + IndexText(place, array.header().shape) +
                                          " is not a finite number; leave its sample out");
}

void CountSamples(Samples& samples, std::size_t count) {
  samples.symbols = {""};
  samples.symbol.resize(count);
  samples.time_ns.resize(count);
  samples.snapshot.resize(count);
  std::iota(samples.time_ns.begin(), samples.time_ns.end(), 0);
  std::iota(samples.snapshot.begin(), samples.snapshot.end(), 0u);
}

}  // namespace

Result<Samples> ReadTensors(const std::string& path, const std::vector<TensorSpec>& inputs,
                            const ReadTensorsOptions& options) {
  PUNCTUAL_ASSIGN(const auto file, ArrayFile::Open(path));
  PUNCTUAL_ASSIGN(const auto places, MatchArrays(*file, path, inputs));
  Samples samples;
  samples.inputs = inputs;
  std::size_t bytes_left = options.most_bytes;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    PUNCTUAL_ASSIGN(const auto array, file->Array(places[i]));
    PUNCTUAL_TRY(CheckArray(*array, inputs[i]));
    const auto count = static_cast<std::size_t>(array->header().shape[0]);
    if (i == 0) {
      if (count > options.most_bytes / sizeof(std::int64_t))  // of its times alone
        return Fail(Code::kResourceExhausted, array->where() + ": has " + std::to_string(count) + " samples");
      CountSamples(samples, count);
    }
    if (count != samples.count())
      return Fail(Code::kInvalidArgument, array->where() + ": has " + std::to_string(count) + " samples, but \"" +
                                              inputs[0].name + "\" has " + std::to_string(samples.count()));
    if (array->header().data_bytes > bytes_left)
      return Fail(Code::kResourceExhausted, array->where() + ": " + std::to_string(count) +
                                                " samples are more than the " + std::to_string(options.most_bytes) +
                                                " bytes that are read; give fewer");
    bytes_left -= array->header().data_bytes;
    std::vector<std::byte>& values = samples.values.emplace_back(array->header().data_bytes);
    PUNCTUAL_TRY(array->Read(values));
    PUNCTUAL_TRY(CheckFinite(*array, inputs[i].dtype, values));
  }
  return samples;
}

}  // namespace punctual::optimize
