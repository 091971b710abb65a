#include "backend/native/graph/onnx_tensor.h"

#include <onnx/onnx_pb.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>

#include "backend/native/graph/onnx_element_type.h"

namespace punctual::native {

namespace {

static_assert(std::endian::native == std::endian::little, "raw data of ONNX files is little-endian");

// IEEE half precision, exactly.
float Widen(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1fu;
  const std::uint32_t mantissa = half & 0x3ffu;
  if (exponent == 0) {
    const float magnitude = std::ldexp(static_cast<float>(mantissa), -24);
    return sign != 0 ? -magnitude : magnitude;
  }
  const std::uint32_t wide_exponent = exponent == 0x1f ? 0xffu : exponent + 112u;
  return std::bit_cast<float>(sign | wide_exponent << 23 | mantissa << 13);
}

template <class T>
bool HasNan(std::span<const T> values) {
  for (const T value : values)
    if (std::isnan(value)) return true;
  return false;
}

template <class T>
bool HasInfinity(std::span<const T> values) {
  for (const T value : values)
    if (std::isinf(value)) return true;
  return false;
}

class TensorReader {
 public:
  TensorReader(const onnx::TensorProto& tensor, const std::string& what) : tensor_(tensor), what_(what) {}

  Result<std::shared_ptr<const Constant>> Read(const Limits& limits, Infinities infinities) const {
    if (tensor_.data_location() == onnx::TensorProto::EXTERNAL || tensor_.external_data_size() != 0)
      return Fail(Code::kFailedPrecondition,
                  what_ + " is kept outside of the file; save the model with its weights inside");
    if (tensor_.has_segment())
      return Fail(Code::kFailedPrecondition, what_ + " is stored in segments, which are not supported");
    const bool is_half = tensor_.data_type() == onnx::TensorProto::FLOAT16;
    const auto type = is_half ? ElementType::kFloat32 : ElementTypeOf(tensor_.data_type());
    if (!type)
      return Fail(Code::kFailedPrecondition,
                  what_ + " is of type " + OnnxTypeText(tensor_.data_type()) + ", which is not supported");
    if (static_cast<std::size_t>(tensor_.dims_size()) > limits.max_rank)
      return Wrong("has " + std::to_string(tensor_.dims_size()) + " dimensions, more than " +
                   std::to_string(limits.max_rank));
    Dims dims(tensor_.dims().begin(), tensor_.dims().end());
    const auto count = CheckedCount(dims, limits);
    if (count.has_error()) return Wrong("has " + count.error().message);
    PUNCTUAL_TRY(CheckSize(*count, is_half ? 2 : SizeOf(*type)));
    auto constant = std::make_shared<Constant>(*type, std::move(dims));
    PUNCTUAL_TRY(Fill(*constant, is_half));
    PUNCTUAL_TRY(CheckFinite(*constant, infinities));
    return std::shared_ptr<const Constant>(std::move(constant));
  }

 private:
  Error Wrong(const std::string& is) const { return Fail(Code::kInvalidArgument, what_ + " " + is); }

  // Numbers in the field that ONNX prescribes for the type, when they are not raw.
  int Listed() const {
    switch (tensor_.data_type()) {
      case onnx::TensorProto::FLOAT: return tensor_.float_data_size();
      case onnx::TensorProto::DOUBLE: return tensor_.double_data_size();
      case onnx::TensorProto::INT64: return tensor_.int64_data_size();
      default: return tensor_.int32_data_size();
    }
  }

  Result<void> CheckSize(std::size_t count, std::size_t element_bytes) const {
    const auto listed = static_cast<std::size_t>(Listed());
    if (tensor_.has_raw_data()) {
      if (listed != 0) return Wrong("has its numbers twice");
      if (tensor_.raw_data().size() != count * element_bytes)
        return Wrong("has " + std::to_string(tensor_.raw_data().size()) + " bytes of data, its shape needs " +
                     std::to_string(count * element_bytes));
    } else if (listed != count) {
      return Wrong("has " + std::to_string(listed) + " numbers, its shape needs " + std::to_string(count));
    }
    return {};
  }

  Result<void> Fill(Constant& constant, bool is_half) const {
    if (is_half) return FillHalves(constant);
    if (tensor_.has_raw_data()) {
      if (!tensor_.raw_data().empty())
        std::ranges::copy(std::as_bytes(std::span(tensor_.raw_data())), constant.mutable_bytes().begin());
      if (constant.type() == ElementType::kBool)
        for (std::uint8_t& truth : constant.mutable_values<std::uint8_t>()) truth = truth != 0;
      return {};
    }
    switch (constant.type()) {
      case ElementType::kFloat32: return Copy(tensor_.float_data(), constant.mutable_values<float>());
      case ElementType::kFloat64: return Copy(tensor_.double_data(), constant.mutable_values<double>());
      case ElementType::kInt64: return Copy(tensor_.int64_data(), constant.mutable_values<std::int64_t>());
      case ElementType::kInt32: return Copy(tensor_.int32_data(), constant.mutable_values<std::int32_t>());
      case ElementType::kInt8: return Narrow(constant.mutable_values<std::int8_t>());
      case ElementType::kUint8: return Narrow(constant.mutable_values<std::uint8_t>());
      case ElementType::kBool: break;
    }
    const auto truths = constant.mutable_values<std::uint8_t>();
    for (std::size_t i = 0; i < truths.size(); ++i) truths[i] = tensor_.int32_data(static_cast<int>(i)) != 0;
    return {};
  }

  template <class From, class T>
  static Result<void> Copy(const From& from, std::span<T> to) {
    std::copy(from.begin(), from.end(), to.begin());
    return {};
  }

  template <class T>
  Result<void> Narrow(std::span<T> to) const {
    for (std::size_t i = 0; i < to.size(); ++i) {
      const std::int32_t value = tensor_.int32_data(static_cast<int>(i));
      if (value < std::numeric_limits<T>::min() || value > std::numeric_limits<T>::max())
        return Wrong("has the number " + std::to_string(value) + ", which its type cannot hold");
      to[i] = static_cast<T>(value);
    }
    return {};
  }

  Result<void> FillHalves(Constant& constant) const {
    const auto values = constant.mutable_values<float>();
    for (std::size_t i = 0; i < values.size(); ++i) {
      std::uint16_t half = 0;
      if (tensor_.has_raw_data()) {
        std::memcpy(&half, tensor_.raw_data().data() + 2 * i, sizeof(half));
      } else {
        const std::int32_t bits = tensor_.int32_data(static_cast<int>(i));
        if (bits < 0 || bits > std::numeric_limits<std::uint16_t>::max())
          return Wrong("has the number " + std::to_string(bits) + ", which is no float16");
        half = static_cast<std::uint16_t>(bits);
      }
      values[i] = Widen(half);
    }
    return {};
  }

  Result<void> CheckFinite(const Constant& constant, Infinities infinities) const {
    bool nan = false, infinity = false;
    if (constant.type() == ElementType::kFloat32) {
      nan = HasNan(constant.values<float>());
      infinity = HasInfinity(constant.values<float>());
    } else if (constant.type() == ElementType::kFloat64) {
      nan = HasNan(constant.values<double>());
      infinity = HasInfinity(constant.values<double>());
    }
    if (nan) return Wrong("holds NaN; a training that diverged makes such files");
    if (infinity && infinities == Infinities::kRefused)
      return Wrong("holds infinite numbers; a training that diverged makes such files");
    return {};
  }

  const onnx::TensorProto& tensor_;
  const std::string& what_;
};

}  // namespace

Result<std::shared_ptr<const Constant>> ReadTensor(const onnx::TensorProto& tensor, const std::string& what,
                                                   const Limits& limits, Infinities infinities) {
  return TensorReader(tensor, what).Read(limits, infinities);
}

}  // namespace punctual::native
