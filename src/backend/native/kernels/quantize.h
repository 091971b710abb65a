// From floats to codes and back, as ONNX's QuantizeLinear and DequantizeLinear have it. The same bits on every target.
// Thread-safe; nothing here allocates.
#pragma once

#include <cstddef>
#include <cstdint>

namespace punctual::native {

// code = clamp(round(x / scale) + zero_point, low, high), halves to the even one; NaN becomes the zero point. The
// codes' lowest eight bits are written: low = 0, high = 255 gives uint8, -128 and 127 int8. REQUIRES: scale > 0, low <=
// zero_point <= high. Up to 64 bytes after `from` and `codes` are read and written.
void Quantize(const float* from, std::size_t count, float scale, std::int32_t zero_point, std::int32_t low,
              std::int32_t high, std::uint8_t* codes);

// x = float(code - zero_point) * scale. Up to 64 bytes after the ends are read and written.
void Dequantize(const std::uint8_t* codes, std::size_t count, float scale, std::int32_t zero_point, float* to);
void Dequantize(const std::int8_t* codes, std::size_t count, float scale, std::int32_t zero_point, float* to);

}  // namespace punctual::native
