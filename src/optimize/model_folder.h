// The folder of a model as `punctual optimize` finds it, and the texts of the folder that it makes of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/backend.h"
#include "model/manifest.h"
#include "model/signals.h"
#include "optimize/samples.h"
#include "punctual/result.h"

namespace punctual::optimize {

// The whole file. kNotFound: it cannot be read; kResourceExhausted: it is over 2 GiB, protobuf's limit of a model.
Result<std::string> ReadWholeFile(const std::string& path);

struct ModelFolder {
  std::string path;
  std::string name;           // the folder's own
  std::string manifest_text;  // as it stands
  Manifest manifest;
  std::string version;  // the highest
  std::string onnx_path, onnx;
  std::optional<std::string> signals;  // signals.csv as it stands
};

// Reads model.toml and the highest version's model.onnx and signals.csv. kNotFound: one of the first two is not there;
// kInvalidArgument: a manifest that is not sound, or a name that the folder to be made cannot have;
// kFailedPrecondition: one that is served in int8 already.
Result<ModelFolder> ReadModelFolder(const std::string& path);

// The manifest's text with the value of `variant` changed, or with that key as a new first line; all else as it stands.
std::string WithVariant(std::string_view manifest_text, std::string_view variant);

// The manifest's text with the key `student` as a new first line. REQUIRES: it has none.
std::string WithStudent(std::string_view manifest_text, std::string_view student);

// signals.csv of the mean answers of each symbol, computed from the samples of `indices`; its time is that of the
// symbol's last one. Symbols without a name, or whose times are no Unix time of the past, are left out; empty: all are.
// `answers`: of each of `outputs`, those to `indices`.
std::string SignalsOf(const Samples& samples, const std::vector<std::size_t>& indices,
                      const std::vector<TensorSpec>& outputs, const std::vector<Answers>& answers);

}  // namespace punctual::optimize
