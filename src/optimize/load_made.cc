#include "optimize/load_made.h"

#include <limits>

#include "model/student.h"

namespace punctual::optimize {

Result<std::shared_ptr<const ServedModel>> LoadMade(const std::string& out, const MadeFiles& made) {
  ModelFiles files;
  files.name = made.name;
  files.version = made.version;
  const std::string folder = out + "/" + made.name + "/";
  files.manifest_path = folder + "model.toml";
  PUNCTUAL_ASSIGN(files.manifest, ParseManifest(made.manifest, files.manifest_path));
  files.onnx = made.onnx;
  files.onnx_path = folder + made.version + "/" + std::string(ModelFileName(files.manifest));
  if (!made.signals.empty()) files.signals_path = folder + made.version + "/signals.csv";
  files.signals = made.signals;
  LoadOptions options;
  options.longest_window = std::numeric_limits<std::size_t>::max();  // a server's own bound
  options.caller_sessions = 1;                                       // a student answers on a caller's thread
  return ServedModel::Load(files, options);
}

std::string RefusalOfStudent(const Subject& subject, const Optimization& found) {
  const ModelFolder& folder = subject.folder;
  const auto model = LoadMade(found.out, {folder.name, folder.version, folder.manifest_text, folder.onnx, ""});
  if (model.has_error()) return model.error().message;
  const auto student = LoadMade(
      found.out, {NameBeside(folder.name, "student"), folder.version, found.student.manifest, found.student.onnx, ""});
  if (student.has_error()) return student.error().message;
  const auto checked = CheckStudent(**model, **student);
  return checked.has_error() ? checked.error().message : std::string();
}

}  // namespace punctual::optimize
