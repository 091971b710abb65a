#include "optimize/recheck_report.h"

#include <algorithm>
#include <boost/json.hpp>

#include "optimize/json_text.h"

namespace punctual::optimize {

namespace json = boost::json;

namespace {

json::object ObjectOf(const Estimate& estimate) {
  return {{"value", estimate.value}, {"low", estimate.low}, {"high", estimate.high}};
}

json::object ObjectOf(const RecheckedVariant& variant) {
  json::object object{{"variant", variant.variant}, {"backend", variant.backend}, {"serves", variant.serves}};
  if (!variant.refusal.empty()) {
    object["refused"] = variant.refusal;
    return object;
  }
  object["verdict"] = VerdictName(variant.verdict);
  object["gate"] = variant.gate;
  const Comparison& comparison = *variant.fidelity;
  object["questions"] = comparison.samples;
  object["left_out"] = variant.left_out;
  object[comparison.classes ? "other_classes" : "relative_difference"] = ObjectOf(variant.now);
  object["largest_difference"] = comparison.largest_difference;
  object["mean_difference"] = comparison.mean_difference;
  object["when_made"] = variant.when_made ? json::value(ObjectOf(*variant.when_made)) : json::value();
  object["drifted"] = variant.drifted;
  return object;
}

json::object ObjectOf(const Recheck& found) {
  json::array variants, inputs, classes;
  for (const RecheckedVariant& variant : found.variants) variants.push_back(ObjectOf(variant));
  for (const Moved& moved : found.inputs)
    inputs.push_back(json::object{{"name", moved.name}, {"index", moved.index}, {"chance", moved.chance}});
  for (std::size_t i = 0; i < found.class_shares_now.size(); ++i)
    classes.push_back(json::object{
        {"name", i < found.classes.size() ? json::value(found.classes[i]) : json::value(std::to_string(i))},
        {"then", found.class_shares_then[i]},
        {"now", found.class_shares_now[i]}});
  return {{"name", found.model.name},
          {"version", found.model.version},
          {"variant", found.model.variant},
          {"backend", found.model.backend},
          {"passed", found.passed},
          {"questions", found.questions},
          {"logged", found.logged},
          {"left_out", found.left_out},
          {"damaged_segments", found.damaged_segments},
          {"first_unix_ns", found.first_unix_ns},
          {"last_unix_ns", found.last_unix_ns},
          {"output", found.output},
          {"variants", variants},
          {"since", found.since},
          {"no_profile", found.no_profile.empty() ? json::value() : json::value(found.no_profile)},
          {"inputs", inputs},
          {"answers",
           json::object{{"index", found.answers.index}, {"chance", found.answers.chance}, {"classes", classes}}}};
}

}  // namespace

bool Passed(const RecheckReport& report) {
  return !report.models.empty() && std::ranges::all_of(report.models, &Recheck::passed) &&
         std::ranges::none_of(report.not_rechecked, [](const NotRechecked& one) { return HasStandIns(one.model); });
}

std::string RecheckJson(const RecheckReport& report) {
  json::array models, not_rechecked;
  for (const Recheck& found : report.models) models.push_back(ObjectOf(found));
  for (const NotRechecked& one : report.not_rechecked)
    not_rechecked.push_back(json::object{{"name", one.model.name}, {"error", one.error}});
  return JsonText(json::object{{"passed", Passed(report)}, {"models", models}, {"not_rechecked", not_rechecked}});
}

}  // namespace punctual::optimize
