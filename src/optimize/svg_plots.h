// The plots of a report, as SVG to stand inside of an HTML page, whose style sheet colours them (report_html.cc). Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace punctual::optimize {

// Of text between tags and in attributes; control characters but ends of lines are spaces then.
std::string Escaped(std::string_view text);

struct PlotPoint {
  std::string name;
  double x = 0;                     // above 0
  double y = 0, low = 0, high = 0;  // with its interval
  bool is_marked = false;           // stands out
};
// x to the logarithm. "" where there are no points.
std::string PointPlot(const std::vector<PlotPoint>& points, const std::string& x_name, const std::string& y_name);

struct PlotBar {
  std::string name;
  double value = 0;  // not below 0
  bool is_marked = false;
};
// One below the other, in their order. "" where there are none.
std::string BarPlot(const std::vector<PlotBar>& bars);

struct PlotLine {
  std::string name;
  std::vector<std::pair<double, double>> points;  // of 0 to 1
};
// With the diagonal. "" where there is no line with a point; at most three lines have colours of their own.
std::string UnitPlot(const std::vector<PlotLine>& lines, const std::string& x_name, const std::string& y_name);

}  // namespace punctual::optimize
