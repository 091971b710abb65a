#include "backend/native/operators/windows_for_test.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>

namespace punctual::native::test {

native::Attributes WindowCase::Attributes() const {
  native::Attributes attributes{{"kernel_shape", kernel}};
  if (!strides.empty()) attributes["strides"] = strides;
  if (!dilations.empty()) attributes["dilations"] = dilations;
  if (!pads.empty()) attributes["pads"] = pads;
  if (!auto_pad.empty()) attributes["auto_pad"] = auto_pad;
  if (ceil_mode) attributes["ceil_mode"] = std::int64_t{1};
  return attributes;
}

std::int64_t WindowCase::Before(std::size_t axis) const {
  if (auto_pad.starts_with("SAME")) {
    const std::int64_t total = std::max<std::int64_t>(0, (Out()[axis] - 1) * Stride(axis) + Reach(axis) - in[axis]);
    return auto_pad == "SAME_LOWER" ? (total + 1) / 2 : total / 2;
  }
  return pads.empty() ? 0 : pads[axis];
}

std::int64_t WindowCase::After(std::size_t axis) const {
  if (auto_pad.starts_with("SAME"))
    return std::max<std::int64_t>(0, (Out()[axis] - 1) * Stride(axis) + Reach(axis) - in[axis]) - Before(axis);
  return pads.empty() ? 0 : pads[in.size() + axis];
}

Dims WindowCase::Out() const {
  Dims out;
  for (std::size_t axis = 0; axis < in.size(); ++axis) {
    if (auto_pad.starts_with("SAME")) {
      out.push_back((in[axis] + Stride(axis) - 1) / Stride(axis));
      continue;
    }
    std::int64_t count = 0;
    // Windows begin at the padding; with ceil_mode the last one may reach beyond its end, but not begin there.
    const std::int64_t end = in[axis] + After(axis);
    for (std::int64_t begin = -Before(axis);; begin += Stride(axis), ++count) {
      if (begin + Reach(axis) <= end) continue;
      const bool is_half = ceil_mode && begin < in[axis] && begin - Stride(axis) + Reach(axis) < end;
      if (is_half) ++count;
      break;
    }
    out.push_back(count);
  }
  return out;
}

std::vector<std::vector<std::int64_t>> WindowCase::Windows() const {
  const Dims out = Out();
  std::vector<std::vector<std::int64_t>> windows;
  for (std::size_t place = 0; place < CountOf(out); ++place) {
    auto& window = windows.emplace_back();
    for (std::size_t tap = 0; tap < CountOf(kernel); ++tap) {
      std::int64_t flat = 0;
      std::size_t place_rest = place, tap_rest = tap;
      std::vector<std::int64_t> at(in.size());
      for (std::size_t axis = in.size(); axis-- > 0;) {
        const auto size = static_cast<std::size_t>(out[axis]), taps = static_cast<std::size_t>(kernel[axis]);
        at[axis] = static_cast<std::int64_t>(place_rest % size) * Stride(axis) - Before(axis) +
                   static_cast<std::int64_t>(tap_rest % taps) * Dilation(axis);
        place_rest /= size;
        tap_rest /= taps;
      }
      bool is_padding = false, is_beyond = false;
      for (std::size_t axis = 0; axis < in.size(); ++axis) {
        is_padding = is_padding || at[axis] < 0 || at[axis] >= in[axis];
        is_beyond = is_beyond || at[axis] >= in[axis] + After(axis);
        flat = flat * in[axis] + at[axis];
      }
      window.push_back(is_beyond ? -2 : is_padding ? -1 : flat);
    }
  }
  return windows;
}

Given RandomNumbers(const Dims& dims) {
  static std::mt19937 random(5);
  std::normal_distribution<float> normal;
  std::vector<float> values(CountOf(dims));
  std::generate(values.begin(), values.end(), [&] { return normal(random); });
  return Numbers<float>(dims, values);
}

Given ChannelsLast(const Constant& value) {
  Dims dims = value.dims();
  std::rotate(dims.begin() + 1, dims.begin() + 2, dims.end());
  const auto batch = static_cast<std::size_t>(dims[0]), channels = static_cast<std::size_t>(dims.back());
  const std::size_t places = value.count() / batch / channels;
  std::vector<float> turned(value.count());
  for (std::size_t n = 0; n < batch; ++n)
    for (std::size_t c = 0; c < channels; ++c)
      for (std::size_t p = 0; p < places; ++p)
        turned[(n * places + p) * channels + c] = value.values<float>()[(n * channels + c) * places + p];
  return Numbers<float>(dims, turned);
}

Given TakeSecondAxis(const Constant& value, const std::vector<std::int64_t>& positions) {
  Dims dims = value.dims();
  const auto batch = static_cast<std::size_t>(dims[0]), length = static_cast<std::size_t>(dims[1]);
  const std::size_t inner = value.count() / batch / length;
  dims[1] = static_cast<std::int64_t>(positions.size());
  std::vector<float> taken;
  for (std::size_t n = 0; n < batch; ++n)
    for (const std::int64_t position : positions) {
      const auto from = value.values<float>().subspan((n * length + static_cast<std::size_t>(position)) * inner, inner);
      taken.insert(taken.end(), from.begin(), from.end());
    }
  return Numbers<float>(dims, taken);
}

void ExpectNear(const Constant& computed, const Dims& dims, const std::vector<double>& expected) {
  ASSERT_EQ(computed.dims(), dims);
  ASSERT_EQ(computed.count(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i)
    ASSERT_NEAR(static_cast<double>(computed.values<float>()[i]), expected[i], 5e-5) << i;
}

void ExpectSame(const Constant& computed, const Constant& expected) {
  ASSERT_EQ(computed.dims(), expected.dims());
  for (std::size_t i = 0; i < expected.count(); ++i)
    ASSERT_EQ(std::memcmp(&computed.values<float>()[i], &expected.values<float>()[i], sizeof(float)), 0)
        << i << ": " << computed.values<float>()[i] << " and " << expected.values<float>()[i];
}

}  // namespace punctual::native::test
