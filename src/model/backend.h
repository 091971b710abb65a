// The one interface that every backend (what executes a model) implements. Backends live in backend/NAME and register
// by name; nothing else includes their headers.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "punctual/result.h"
#include "tensor/tensor_spec.h"

namespace punctual {

struct Signature {
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> outputs;
};

// One inference at a time, by one thread at a time. Its tensors are made once: write the inputs, Run, read the outputs.
class Session {
 public:
  virtual ~Session() = default;
  // The bytes of input / output i of the signature, row-major; the same memory for the session's life. Of a batch, its
  // members' stand one after another.
  virtual std::span<std::byte> input(std::size_t i) = 0;
  virtual std::span<const std::byte> output(std::size_t i) const = 0;
  // Computes on the calling thread, or at least blocks it until the outputs are there. kInternal: the backend failed.
  virtual Result<void> Run() = 0;
};

// A model file made ready to run. Thread-safe.
class CompiledModel {
 public:
  virtual ~CompiledModel() = default;
  virtual const Signature& signature() const = 0;
  // Sessions run in parallel, each on one core; making one may compile and take long. `batch`: how many questions it
  // answers at once. kFailedPrecondition: the model file does not leave the batch open, so only 1 will do.
  virtual Result<std::unique_ptr<Session>> NewSession(std::size_t batch) = 0;
};

struct CompileRequest {
  std::string_view onnx;  // the file's bytes: what is digested is what runs
  std::string where;      // the file's path, for messages
  std::string precision;  // "fp32" or "bf16": what the file's floats are computed in, never left to the engine
  std::string device;     // "CPU", "GPU", "NPU", "AUTO"
};

// Thread-safe.
class Backend {
 public:
  virtual ~Backend() = default;
  // kInvalidArgument: the file cannot be run, with the reason; kFailedPrecondition: the device is not there. Messages
  // about the file begin with its path (`where: `), those about what the manifest asks with the key (`device: `).
  virtual Result<std::unique_ptr<CompiledModel>> Compile(const CompileRequest& request) = 0;
};

using BackendFactory = std::unique_ptr<Backend> (*)();
// Called by static objects of the backends, before main.
bool RegisterBackend(const std::string& name, BackendFactory factory);
// The backend of that name, made at its first use and kept. kNotFound lists what a manifest may name. Thread-safe.
Result<Backend*> FindBackend(const std::string& name);

}  // namespace punctual
