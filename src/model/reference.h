// The float model of one that serves in another variant (int8, bf16): what the variant's answers are held against while
// it serves.
#pragma once

#include "model/served_model.h"

namespace punctual {

// Loads it from files.float_onnx, by the rules of the model's manifest (backend, device, features, outputs), with one
// session: one question at a time, on a worker. It has a cost and a health of its own, and nothing else that serving
// takes. Errors begin with files.float_path and say what to do; kInvalidArgument: it is about other inputs or outputs
// than `model`. REQUIRES: files.float_path; `model` is of `files`, and its inputs and outputs are known.
Result<std::shared_ptr<const ServedModel>> LoadReference(const ServedModel& model, const ModelFiles& files,
                                                         const LoadOptions& options);

// That the float file cannot be had, for `why`.
Error NoReference(const ModelFiles& files, const Error& why);

}  // namespace punctual
