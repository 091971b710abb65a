// The operators that sum products, and those that look at whole rows.
#include <algorithm>
#include <cmath>
#include <limits>

#include "reference.h"

namespace punctual {

namespace {

using Outputs = std::vector<DoubleTensor>;

// result[m, n] += sum over k of a * b; strides in elements.
void Multiply(const double* a, std::int64_t a_row, std::int64_t a_column, const double* b, std::int64_t b_row,
              std::int64_t b_column, double* result, std::int64_t m, std::int64_t n, std::int64_t k) {
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      double sum = 0;
      for (std::int64_t at = 0; at < k; ++at) sum += a[i * a_row + at * a_column] * b[at * b_row + j * b_column];
      result[i * n + j] += sum;
    }
}

Outputs Gemm(const ReferenceNode& node) {
  const DoubleTensor &a = node[0], &b = node[1];
  const bool turn_a = node.Int("transA", 0) != 0, turn_b = node.Int("transB", 0) != 0;
  const std::int64_t m = a.dims[turn_a ? 1 : 0], k = a.dims[turn_a ? 0 : 1], n = b.dims[turn_b ? 0 : 1];
  DoubleTensor result({m, n});
  Multiply(a.values.data(), turn_a ? 1 : k, turn_a ? m : 1, b.values.data(), turn_b ? 1 : n, turn_b ? k : 1,
           result.values.data(), m, n, k);
  const double alpha = node.Float("alpha", 1), beta = node.Float("beta", 1);
  for (std::size_t i = 0; i < result.values.size(); ++i) {
    result.values[i] *= alpha;
    // A row for all, or a number for each.
    if (node.Has(2)) result.values[i] += beta * node[2].values[i % node[2].values.size()];
  }
  return {std::move(result)};
}

// Of matrices, and of as many matrices on both sides; or of many by one.
Outputs MatMul(const ReferenceNode& node) {
  const DoubleTensor &a = node[0], &b = node[1];
  const std::int64_t k = a.dims.back(), n = b.dims.back(), m = a.dims[a.dims.size() - 2];
  std::vector<std::int64_t> dims = a.dims;
  dims.back() = n;
  DoubleTensor result(dims);
  const std::int64_t many = a.Span(0, a.rank() - 2), of_b = b.Span(0, b.rank() - 2);
  for (std::int64_t i = 0; i < many; ++i)
    Multiply(a.values.data() + i * m * k, k, 1, b.values.data() + i % of_b * k * n, n, 1,
             result.values.data() + i * m * n, m, n, k);
  return {std::move(result)};
}

// What a sliding window sees, over one or two dimensions; of one, the second is 1.
struct Window {
  std::int64_t size[2] = {1, 1}, kernel[2] = {1, 1}, stride[2] = {1, 1}, dilation[2] = {1, 1}, before[2] = {0, 0};
  std::int64_t result[2] = {1, 1};

  Window(const ReferenceNode& node, std::vector<std::int64_t> kernel_shape) {
    const std::size_t rank = kernel_shape.size();
    const std::vector<std::int64_t> strides = node.Ints("strides", std::vector<std::int64_t>(rank, 1)),
                                    dilations = node.Ints("dilations", std::vector<std::int64_t>(rank, 1)),
                                    pads = node.Ints("pads", std::vector<std::int64_t>(2 * rank, 0));
    for (std::size_t i = 0; i < rank; ++i) {
      size[i] = node[0].dims[2 + i];
      kernel[i] = kernel_shape[i];
      stride[i] = strides[i];
      dilation[i] = dilations[i];
      before[i] = pads[i];
      result[i] = (size[i] + pads[i] + pads[rank + i] - dilation[i] * (kernel[i] - 1) - 1) / stride[i] + 1;
    }
  }

  std::vector<std::int64_t> Dims(const ReferenceNode& node, std::int64_t channels) const {
    std::vector<std::int64_t> dims = {node[0].dims[0], channels, result[0]};
    if (node[0].rank() == 4) dims.push_back(result[1]);
    return dims;
  }

  // Calls with the offset in the image and in the kernel of everything that position (y, x) sees.
  template <class Visit>
  void See(std::int64_t y, std::int64_t x, Visit visit) const {
    for (std::int64_t i = 0; i < kernel[0]; ++i) {
      const std::int64_t at_y = y * stride[0] - before[0] + i * dilation[0];
      if (at_y < 0 || at_y >= size[0]) continue;
      for (std::int64_t j = 0; j < kernel[1]; ++j) {
        const std::int64_t at_x = x * stride[1] - before[1] + j * dilation[1];
        if (at_x >= 0 && at_x < size[1]) visit(at_y * size[1] + at_x, i * kernel[1] + j);
      }
    }
  }
};

Outputs Conv(const ReferenceNode& node) {
  const DoubleTensor &x = node[0], &w = node[1];
  const std::int64_t groups = node.Int("group", 1), from = w.dims[1], to = w.dims[0];
  const Window window(node, {w.dims.begin() + 2, w.dims.end()});
  const std::int64_t image = window.size[0] * window.size[1], taps = window.kernel[0] * window.kernel[1];
  DoubleTensor result(window.Dims(node, to));
  std::size_t at = 0;
  for (std::int64_t n = 0; n < x.dims[0]; ++n)
    for (std::int64_t channel = 0; channel < to; ++channel) {
      const double* images = x.values.data() + (n * groups + channel / (to / groups)) * from * image;
      const double* weights = w.values.data() + channel * from * taps;
      for (std::int64_t row = 0; row < window.result[0]; ++row)
        for (std::int64_t column = 0; column < window.result[1]; ++column) {
          double sum = node.Has(2) ? node[2].values[static_cast<std::size_t>(channel)] : 0;
          window.See(row, column, [&](std::int64_t pixel, std::int64_t tap) {
            for (std::int64_t k = 0; k < from; ++k) sum += images[k * image + pixel] * weights[k * taps + tap];
          });
          result.values[at++] = sum;
        }
    }
  return {std::move(result)};
}

Outputs MaxPool(const ReferenceNode& node) {
  const Window window(node, node.Ints("kernel_shape"));
  const std::int64_t image = window.size[0] * window.size[1];
  DoubleTensor result(window.Dims(node, node[0].dims[1]));
  std::size_t at = 0;
  for (std::int64_t n = 0; n < node[0].dims[0] * node[0].dims[1]; ++n)
    for (std::int64_t row = 0; row < window.result[0]; ++row)
      for (std::int64_t column = 0; column < window.result[1]; ++column) {
        double largest = -std::numeric_limits<double>::infinity();
        window.See(row, column, [&](std::int64_t pixel, std::int64_t) {
          largest = std::max(largest, node[0].values[static_cast<std::size_t>(n * image + pixel)]);
        });
        result.values[at++] = largest;
      }
  return {std::move(result)};
}

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

// Forward, with the usual activations and without peepholes: Y, Y_h, Y_c. The first state is zero.
Outputs Lstm(const ReferenceNode& node) {
  const DoubleTensor& x = node[0];
  const std::int64_t steps = x.dims[0], batch = x.dims[1], inputs = x.dims[2], hidden = node.Int("hidden_size", 0);
  DoubleTensor all({steps, 1, batch, hidden}), h({1, batch, hidden}), c({1, batch, hidden});
  std::vector<double> gates(static_cast<std::size_t>(batch * 4 * hidden));
  for (std::int64_t step = 0; step < steps; ++step) {
    for (std::size_t i = 0; i < gates.size(); ++i) {
      const std::size_t gate = i % static_cast<std::size_t>(4 * hidden);
      gates[i] = node.Has(3) ? node[3].values[gate] + node[3].values[gate + static_cast<std::size_t>(4 * hidden)] : 0;
    }
    Multiply(x.values.data() + step * batch * inputs, inputs, 1, node[1].values.data(), 1, inputs, gates.data(), batch,
             4 * hidden, inputs);
    Multiply(h.values.data(), hidden, 1, node[2].values.data(), 1, hidden, gates.data(), batch, 4 * hidden, hidden);
    for (std::int64_t n = 0; n < batch; ++n)
      for (std::int64_t i = 0; i < hidden; ++i) {
        const double* gate = gates.data() + n * 4 * hidden + i;  // input, output, forget, cell
        const auto at = static_cast<std::size_t>(n * hidden + i);
        c.values[at] = Sigmoid(gate[2 * hidden]) * c.values[at] + Sigmoid(gate[0]) * std::tanh(gate[3 * hidden]);
        h.values[at] = Sigmoid(gate[hidden]) * std::tanh(c.values[at]);
      }
    std::copy(h.values.begin(), h.values.end(), all.values.begin() + step * batch * hidden);
  }
  return {std::move(all), std::move(h), std::move(c)};
}

// Along an axis that has everything behind it in its row.
Outputs Softmax(const ReferenceNode& node) {
  DoubleTensor result = node[0];
  const std::int64_t row = result.dims.back();
  for (auto at = result.values.begin(); at != result.values.end(); at += row) {
    const double largest = *std::max_element(at, at + row);
    double sum = 0;
    for (std::int64_t i = 0; i < row; ++i) sum += at[i] = std::exp(at[i] - largest);
    for (std::int64_t i = 0; i < row; ++i) at[i] /= sum;
  }
  return {std::move(result)};
}

Outputs LayerNormalization(const ReferenceNode& node) {
  DoubleTensor result = node[0];
  const std::int64_t axis = result.Axis(node.Int("axis", -1)), row = result.Span(axis, result.rank());
  for (auto at = result.values.begin(); at != result.values.end(); at += row) {
    double mean = 0, variance = 0;
    for (std::int64_t i = 0; i < row; ++i) mean += at[i] / static_cast<double>(row);
    for (std::int64_t i = 0; i < row; ++i) variance += (at[i] - mean) * (at[i] - mean) / static_cast<double>(row);
    const double scale = 1 / std::sqrt(variance + node.Float("epsilon", 1e-5f));
    for (std::int64_t i = 0; i < row; ++i) {
      const auto k = static_cast<std::size_t>(i);
      at[i] = (at[i] - mean) * scale * node[1].values[k] + (node.Has(2) ? node[2].values[k] : 0);
    }
  }
  return {std::move(result)};
}

// Over one axis.
Outputs ReduceMean(const ReferenceNode& node) {
  const DoubleTensor& x = node[0];
  const std::int64_t axis = x.Axis(node.Numbers(1, "axes")[0]), row = x.Span(axis + 1, x.rank());
  const std::int64_t size = x.dims[static_cast<std::size_t>(axis)];
  std::vector<std::int64_t> dims = x.dims;
  dims[static_cast<std::size_t>(axis)] = 1;
  DoubleTensor result(dims);
  for (std::size_t i = 0; i < x.values.size(); ++i) {
    const std::int64_t at = static_cast<std::int64_t>(i);
    result.values[static_cast<std::size_t>(at / (row * size) * row + at % row)] +=
        x.values[i] / static_cast<double>(size);
  }
  if (node.Int("keepdims", 1) == 0) result.dims.erase(result.dims.begin() + axis);
  return {std::move(result)};
}

}  // namespace

const ReferenceOperators& LayerReference() {
  static const ReferenceOperators all = {
      {"Gemm", Gemm},
      {"MatMul", MatMul},
      {"Conv", Conv},
      {"MaxPool", MaxPool},
      {"LSTM", Lstm},
      {"Softmax", Softmax},
      {"ReduceMean", ReduceMean},
      {"LayerNormalization", LayerNormalization},
  };
  return all;
}

}  // namespace punctual
