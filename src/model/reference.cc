#include "model/reference.h"

#include "model/student.h"

namespace punctual {

Error NoReference(const ModelFiles& files, const Error& why) {
  const bool names_file = why.message.starts_with(files.float_path + ": ");
  return Fail(why.code, (names_file ? "" : files.float_path + ": ") + why.message + "; shadow_share compares " +
                            files.manifest.variant + " with it: put the model's float file there, or set " +
                            "shadow_share = 0 in " + files.manifest_path);
}

Result<std::shared_ptr<const ServedModel>> LoadReference(const ServedModel& model, const ModelFiles& files,
                                                         const LoadOptions& options) {
  ModelFiles in_float;
  in_float.name = files.name;
  in_float.version = files.version;
  in_float.manifest_path = files.manifest_path;
  in_float.manifest = InFloat(files.manifest);
  in_float.onnx_path = files.float_path;
  in_float.onnx = files.float_onnx;
  LoadOptions alone;
  alone.longest_window = options.longest_window;
  alone.backend_choices = options.backend_choices;
  auto reference = ServedModel::Load(in_float, alone);
  if (reference.has_error()) return NoReference(files, reference.error());
  if (const auto same = CheckSameInputs(model, **reference); same.has_error()) return NoReference(files, same.error());
  if (const auto same = CheckSameOutputs(model, **reference); same.has_error()) return NoReference(files, same.error());
  return reference;
}

}  // namespace punctual
