// A student: a simpler model of the same question, which answers when there is no time for the model itself.
#pragma once

#include "model/served_model.h"

namespace punctual {

// Whether `student` can stand in for `model`: the same outputs; from what the model is asked about (books, of no more
// levels than the model needs; or the same tensors); in no more than ServedModel::kQuick, for it runs on threads that
// others wait for. It may need more books than the model: where they are not there it has no answer. The error
// completes the sentence "model NAME ...".
Result<void> CheckStudent(const ServedModel& model, const ServedModel& student);

// Whether tensors for the one are tensors for the other.
bool HaveSameInputs(const ServedModel& model, const ServedModel& student);

// kInvalidArgument: `other` has other inputs, or outputs, than the model; the error completes the sentence "NAME ...".
Result<void> CheckSameInputs(const ServedModel& model, const ServedModel& other);
Result<void> CheckSameOutputs(const ServedModel& model, const ServedModel& other);

}  // namespace punctual
