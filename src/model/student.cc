#include "model/student.h"

#include <algorithm>

namespace punctual {

namespace {

bool Same(const std::vector<TensorSpec>& a, const std::vector<TensorSpec>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const TensorSpec& x, const TensorSpec& y) {
    return x.name == y.name && x.dtype == y.dtype && x.shape == y.shape;
  });
}

std::string Names(const std::vector<TensorSpec>& specs) {
  std::string names;
  for (const TensorSpec& spec : specs)
    names += (names.empty() ? "" : ", ") + spec.name + " " + std::string(DTypeName(spec.dtype)) + " " +
             ShapeText(spec.shape);
  return names;
}

Error Unfit(std::string message) { return Fail(Code::kInvalidArgument, std::move(message)); }

}  // namespace

bool HaveSameInputs(const ServedModel& model, const ServedModel& student) {
  return Same(model.inputs(), student.inputs());
}

Result<void> CheckSameInputs(const ServedModel& model, const ServedModel& other) {
  if (HaveSameInputs(model, other)) return {};
  return Unfit("has other inputs: " + Names(other.inputs()) + "; they must be " + Names(model.inputs()));
}

Result<void> CheckSameOutputs(const ServedModel& model, const ServedModel& other) {
  if (Same(model.outputs(), other.outputs())) return {};
  return Unfit("has other outputs: " + Names(other.outputs()) + "; they must be " + Names(model.outputs()));
}

Result<void> CheckStudent(const ServedModel& model, const ServedModel& student) {
  if (&model == &student) return Unfit("is the model itself");
  if (!student.quick())
    return Unfit("takes too long, some " + std::to_string(student.cost().high() / std::chrono::microseconds(1)) +
                 " us; a student must take at most " +
                 std::to_string(ServedModel::kQuick / std::chrono::microseconds(1)) +
                 " us, and engine.inline_threads be above 0");
  PUNCTUAL_TRY(CheckSameOutputs(model, student));
  if (!model.features()) return CheckSameInputs(model, student);
  if (!student.features()) return Unfit("declares no features: it could not be asked about books");
  if (student.features()->levels() > model.features()->levels())
    return Unfit("needs " + std::to_string(student.features()->levels()) + " levels, more than the " +
                 std::to_string(model.features()->levels()) + " of the model");
  return {};
}

}  // namespace punctual
