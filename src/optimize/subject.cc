#include "optimize/subject.h"

#include <limits>
#include <utility>

#include "model/served_model.h"

namespace punctual::optimize {

namespace {

Compiled CompileBy(const std::string& backend, const Subject& subject, const std::string& onnx,
                   const std::string& precision) {
  Compiled compiled{.backend = backend, .model = nullptr, .refusal = ""};
  const auto found = FindBackend(backend);
  if (found.has_error()) {
    compiled.refusal = found.error().message;
    return compiled;
  }
  auto model = (*found)->Compile({onnx, subject.folder.onnx_path, precision, subject.folder.manifest.device});
  if (model.has_error())
    compiled.refusal = model.error().message;
  else
    compiled.model = std::move(model).value();
  return compiled;
}

// As a server would load it.
Result<void> CheckAsServed(Subject& subject) {
  const ModelFolder& folder = subject.folder;
  ModelFiles files;
  files.name = folder.name;
  files.version = folder.version;
  files.manifest_path = folder.path + "/model.toml";
  files.manifest = folder.manifest;
  files.onnx_path = folder.onnx_path;
  files.onnx = folder.onnx;
  if (folder.signals) {
    files.signals_path = folder.path + "/" + folder.version + "/signals.csv";
    files.signals = *folder.signals;
  }
  LoadOptions options;
  options.longest_window = std::numeric_limits<std::size_t>::max();  // a server's own bound
  PUNCTUAL_ASSIGN(const auto served, ServedModel::Load(files, options));
  subject.inputs = served->inputs();
  subject.outputs = served->outputs();
  subject.plan = served->features();
  return {};
}

}  // namespace

std::vector<std::string> AutoBackends() { return {"native", "openvino"}; }

std::vector<Compiled> CompileByAll(const Subject& subject, const std::vector<std::string>& backends,
                                   const std::string& onnx, const std::string& precision) {
  std::vector<Compiled> all;
  for (const std::string& backend : backends) all.push_back(CompileBy(backend, subject, onnx, precision));
  return all;
}

Result<Compiled> CompileByFirst(const Subject& subject, const std::string& onnx, const std::string& precision) {
  std::string refusals;
  for (const std::string& backend : subject.backends) {
    Compiled compiled = CompileBy(backend, subject, onnx, precision);
    if (compiled.model != nullptr) return compiled;
    refusals += (refusals.empty() ? "" : "; ") + compiled.refusal;
  }
  return Fail(Code::kInvalidArgument, refusals);
}

Result<Subject> OpenSubject(const std::string& path) {
  Subject subject;
  PUNCTUAL_ASSIGN(subject.folder, ReadModelFolder(path));
  PUNCTUAL_TRY(CheckAsServed(subject));
  const Manifest& manifest = subject.folder.manifest;
  subject.backends = manifest.backend == "auto" ? AutoBackends() : std::vector<std::string>{manifest.backend};
  if (const DType dtype = subject.output().dtype; dtype != DType::kFloat32 && dtype != DType::kFloat64)
    return Fail(Code::kFailedPrecondition, path + "/model.toml: outputs: the first, \"" + subject.output().name +
                                               "\", is " + std::string(DTypeName(dtype)) +
                                               "; name one of floats first, which can be compared");
  if (!manifest.outputs.empty()) subject.classes = manifest.outputs.front().classes;
  PUNCTUAL_ASSIGN(Compiled compiled, CompileByFirst(subject, subject.folder.onnx, manifest.variant));
  subject.reference_backend = compiled.backend;
  subject.reference = std::move(compiled.model);
  return subject;
}

}  // namespace punctual::optimize
