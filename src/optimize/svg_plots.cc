#include "optimize/svg_plots.h"

#include <algorithm>
#include <cmath>

#include "optimize/printed_number.h"

namespace punctual::optimize {

namespace {

constexpr double kWidth = 460, kHeight = 300, kLeft = 64, kRight = 16, kTop = 14, kBottom = 44;

std::string Number(double number) { return Printed(number, "%.1f"); }

std::string Open(double height) {
  return "<svg viewBox=\"0 0 " + Printed(kWidth, "%g") + " " + Printed(height, "%g") + "\" role=\"img\">";
}

std::string Line(double x1, double y1, double x2, double y2, const char* kind) {
  return "<line x1=\"" + Number(x1) + "\" y1=\"" + Number(y1) + "\" x2=\"" + Number(x2) + "\" y2=\"" + Number(y2) +
         "\" class=\"" + kind + "\"/>";
}

std::string Text(double x, double y, const std::string& text, const char* anchor = "start",
                 const std::string& more = "") {
  return "<text x=\"" + Number(x) + "\" y=\"" + Number(y) + "\" text-anchor=\"" + anchor + "\"" + more + ">" +
         Escaped(text) + "</text>";
}

std::string Dot(double x, double y, const std::string& kind) {
  return "<circle cx=\"" + Number(x) + "\" cy=\"" + Number(y) + "\" r=\"4.5\" class=\"" + kind + "\"/>";
}

// Steps of 1, 2 or 5 times a power of ten, some five of them.
std::vector<double> Ticks(double low, double high) {
  const double rough = (high - low) / 4, power = std::pow(10, std::floor(std::log10(rough)));
  const double step = power * (rough / power < 1.5 ? 1 : rough / power < 3.5 ? 2 : rough / power < 7.5 ? 5 : 10);
  std::vector<double> ticks;
  for (double tick = std::ceil(low / step) * step; tick <= high + step * 1e-6; tick += step) ticks.push_back(tick);
  return ticks;
}

// 1, 2 and 5 times powers of ten.
std::vector<double> LogTicks(double low, double high) {
  std::vector<double> ticks;
  for (double power = std::pow(10, std::floor(std::log10(low))); power <= high; power *= 10)
    for (const double times : {1.0, 2.0, 5.0})
      if (power * times >= low && power * times <= high) ticks.push_back(power * times);
  return ticks;
}

struct Axis {
  double low, high, from, to;  // of the numbers, and on the page
  double At(double number) const { return from + (number - low) / (high - low) * (to - from); }
};

std::string AxisNames(const std::string& x_name, const std::string& y_name) {
  const double middle = (kTop + kHeight - kBottom) / 2;
  return Text((kLeft + kWidth - kRight) / 2, kHeight - 8, x_name, "middle") +
         Text(14, middle, y_name, "middle", " transform=\"rotate(-90 14 " + Number(middle) + ")\"");
}

}  // namespace

std::string Escaped(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      default: escaped += static_cast<unsigned char>(c) < 0x20 && c != '\n' ? ' ' : c;
    }
  }
  return escaped;
}

std::string PointPlot(const std::vector<PlotPoint>& points, const std::string& x_name, const std::string& y_name) {
  if (points.empty()) return "";
  double low_x = points[0].x, high_x = points[0].x, low_y = points[0].low, high_y = points[0].high;
  for (const PlotPoint& point : points) {
    low_x = std::min(low_x, point.x), high_x = std::max(high_x, point.x);
    low_y = std::min(low_y, point.low), high_y = std::max(high_y, point.high);
  }
  low_x = std::max(low_x, 1e-3) / 1.6, high_x = std::max(high_x, 1e-3) * 1.6;
  const double margin = std::max((high_y - low_y) * 0.12, 1e-3);
  const Axis x{std::log(low_x), std::log(high_x), kLeft, kWidth - kRight};
  const Axis y{low_y - margin, high_y + margin, kHeight - kBottom, kTop};
  std::string svg = Open(kHeight) + AxisNames(x_name, y_name);
  for (const double tick : LogTicks(low_x, high_x))
    svg += Line(x.At(std::log(tick)), kTop, x.At(std::log(tick)), kHeight - kBottom, "grid") +
           Text(x.At(std::log(tick)), kHeight - kBottom + 16, Printed(tick, "%g"), "middle");
  for (const double tick : Ticks(y.low, y.high))
    svg += Line(kLeft, y.At(tick), kWidth - kRight, y.At(tick), "grid") +
           Text(kLeft - 6, y.At(tick) + 4, Printed(tick, "%.5g"), "end");
  for (std::size_t i = 0; i < points.size(); ++i) {
    const PlotPoint& point = points[i];
    const double at_x = x.At(std::log(std::max(point.x, 1e-3))), at_y = y.At(point.y);
    const char* const kind = point.is_marked ? "b" : "a";
    // Above and below in turn: two backends' are beside each other.
    const double middle = std::clamp(at_x, kLeft + 60, kWidth - kRight - 60);
    svg += Line(at_x, y.At(point.low), at_x, y.At(point.high), kind) + Dot(at_x, at_y, kind) +
           Text(middle, at_y + (i % 2 == 0 ? -10 : 20), point.name, "middle");
  }
  return svg + "</svg>";
}

std::string BarPlot(const std::vector<PlotBar>& bars) {
  if (bars.empty()) return "";
  constexpr double kBar = 20, kNames = 210;
  double most = 0;
  for (const PlotBar& bar : bars) most = std::max(most, bar.value);
  std::string svg = Open(kBar * static_cast<double>(bars.size()) + 8);
  for (std::size_t i = 0; i < bars.size(); ++i) {
    const PlotBar& bar = bars[i];
    const double top = 4 + kBar * static_cast<double>(i);
    const double width = most > 0 ? bar.value / most * (kWidth - kNames - 76) : 0;
    // The end of a name tells layers apart.
    const std::string name = bar.name.size() > 30 ? "..." + bar.name.substr(bar.name.size() - 28) : bar.name;
    svg += Text(kNames - 8, top + 13, name, "end") + "<rect x=\"" + Number(kNames) + "\" y=\"" + Number(top + 3) +
           "\" width=\"" + Number(std::max(width, 1.0)) + "\" height=\"" + Number(kBar - 7) + "\" class=\"" +
           (bar.is_marked ? "b" : "a") + "\"/>" + Text(kNames + width + 6, top + 13, Printed(bar.value, "%.3g"));
  }
  return svg + "</svg>";
}

std::string UnitPlot(const std::vector<PlotLine>& lines, const std::string& x_name, const std::string& y_name) {
  if (std::all_of(lines.begin(), lines.end(), [](const PlotLine& line) { return line.points.empty(); })) return "";
  const Axis x{0, 1, kLeft, kWidth - kRight}, y{0, 1, kHeight - kBottom, kTop};
  std::string svg = Open(kHeight) + AxisNames(x_name, y_name);
  for (const double tick : {0.0, 0.25, 0.5, 0.75, 1.0})
    svg += Line(x.At(tick), kTop, x.At(tick), kHeight - kBottom, "grid") +
           Text(x.At(tick), kHeight - kBottom + 16, Printed(tick, "%g"), "middle") +
           Line(kLeft, y.At(tick), kWidth - kRight, y.At(tick), "grid") +
           Text(kLeft - 6, y.At(tick) + 4, Printed(tick, "%g"), "end");
  svg += Line(x.At(0), y.At(0), x.At(1), y.At(1), "ideal");
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string kind = i == 0 ? "a" : i == 1 ? "b" : "c";
    std::string path;
    for (const auto& [at_x, at_y] : lines[i].points) path += Number(x.At(at_x)) + "," + Number(y.At(at_y)) + " ";
    svg += "<polyline points=\"" + path + "\" class=\"" + kind + "\"/>";
    for (const auto& [at_x, at_y] : lines[i].points) svg += Dot(x.At(at_x), y.At(at_y), kind);
    const double key = kTop + 16 + 18 * static_cast<double>(i);
    svg += Dot(kLeft + 16, key - 4, kind) + Text(kLeft + 26, key, lines[i].name);
  }
  return svg + "</svg>";
}

}  // namespace punctual::optimize
