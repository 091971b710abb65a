// ONNX Runtime as a backend "onnxruntime", for the benchmarks to measure against: model files on one thread, which is
// the caller's, with inputs and outputs bound to the session's own memory.
//
// Its library is that of the Python wheel of script/requirements.txt, which brings no headers: the functions are taken
// from the table that the C API gives, where each has its place for ever (new ones are appended).
#include <dlfcn.h>

#include <array>
#include <functional>
#include <vector>

#include "model/backend.h"

namespace punctual {

namespace {

enum class Function : std::size_t {
  kGetErrorMessage = 2,
  kCreateEnv = 3,
  kCreateSessionFromArray = 8,
  kCreateSessionOptions = 10,
  kSetSessionGraphOptimizationLevel = 23,
  kSetIntraOpNumThreads = 24,
  kSetInterOpNumThreads = 25,
  kSessionGetInputCount = 30,
  kSessionGetOutputCount = 31,
  kSessionGetInputTypeInfo = 33,
  kSessionGetOutputTypeInfo = 34,
  kSessionGetInputName = 36,
  kSessionGetOutputName = 37,
  kCreateTensorWithDataAsOrtValue = 49,
  kCastTypeInfoToTensorInfo = 55,
  kGetTensorElementType = 60,
  kGetDimensionsCount = 61,
  kGetDimensions = 62,
  kCreateCpuMemoryInfo = 69,
  kAllocatorFree = 76,
  kGetAllocatorWithDefaultOptions = 78,
  kReleaseStatus = 93,
  kReleaseMemoryInfo = 94,
  kReleaseSession = 95,
  kReleaseValue = 96,
  kReleaseTypeInfo = 98,
  kReleaseSessionOptions = 100,
  kRunWithBinding = 133,
  kCreateIoBinding = 134,
  kReleaseIoBinding = 135,
  kBindInput = 136,
  kBindOutput = 137,
};

constexpr std::uint32_t kApiVersion = 17;  // any from the one on that has the functions above
constexpr int kLogErrors = 3, kArenaAllocator = 1, kDefaultMemory = 0;

// As it comes, or node by node as the file says: some of its rewriting is wrong now and then.
enum class Optimization { kNone = 0, kAll = 99 };

// Thread-safe, as ONNX Runtime is. Objects of the library are void*: each call passes exactly the C function's types.
class Library {
 public:
  static Result<const Library*> Get() {
    static const Result<Library> library = Load();
    if (!library) return library.error();
    return &*library;
  }

  template <class... Args>
  Result<void> Call(Function function, Args... args) const {
    void* const status = At<void*(Args...)>(function)(args...);
    if (status == nullptr) return {};
    std::string message = At<const char*(const void*)>(Function::kGetErrorMessage)(status);
    Release(Function::kReleaseStatus, status);
    return Fail(Code::kInvalidArgument, "onnxruntime: " + message.substr(0, 400));
  }
  void Release(Function function, void* object) const { At<void(void*)>(function)(object); }

  const void* env() const { return env_; }
  const void* memory() const { return memory_; }
  void* allocator() const { return allocator_; }

 private:
  template <class Signature>
  Signature* At(Function function) const {
    return reinterpret_cast<Signature*>(const_cast<void*>(functions_[static_cast<std::size_t>(function)]));
  }

  static Result<Library> Load() {
    // Never closed: its threads and static objects would not survive that.
    void* const handle = ::dlopen(PUNCTUAL_ONNXRUNTIME, RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) return Fail(Code::kFailedPrecondition, std::string("onnxruntime: ") + ::dlerror());
    struct Base {
      const void* const* (*get_api)(std::uint32_t version);
      const char* (*version)();
    };
    const auto get = reinterpret_cast<const Base* (*)()>(::dlsym(handle, "OrtGetApiBase"));
    if (get == nullptr) return Fail(Code::kFailedPrecondition, "onnxruntime: the library has no OrtGetApiBase");
    Library library;
    library.functions_ = get()->get_api(kApiVersion);
    if (library.functions_ == nullptr) return Fail(Code::kFailedPrecondition, "onnxruntime: the library is too old");
    PUNCTUAL_TRY(library.Call(Function::kCreateEnv, kLogErrors, "bench", &library.env_));
    PUNCTUAL_TRY(library.Call(Function::kCreateCpuMemoryInfo, kArenaAllocator, kDefaultMemory, &library.memory_));
    PUNCTUAL_TRY(library.Call(Function::kGetAllocatorWithDefaultOptions, &library.allocator_));
    return library;
  }

  const void* const* functions_ = nullptr;
  void *env_ = nullptr, *memory_ = nullptr, *allocator_ = nullptr;
};

// An object of the library, and what releases it.
class Owned {
 public:
  Owned(const Library& library, Function release) : library_(&library), release_(release) {}
  Owned(Owned&& other) noexcept
      : library_(other.library_), release_(other.release_), object_(std::exchange(other.object_, nullptr)) {}
  Owned& operator=(Owned&&) = delete;
  ~Owned() {
    if (object_ != nullptr) library_->Release(release_, object_);
  }
  void** out() { return &object_; }
  void* get() const { return object_; }

 private:
  const Library* library_;
  Function release_;
  void* object_ = nullptr;
};

Result<DType> DTypeOf(int element) {
  switch (element) {
    case 1: return DType::kFloat32;
    case 6: return DType::kInt32;
    case 7: return DType::kInt64;
    case 11: return DType::kFloat64;
    default: return Fail(Code::kInvalidArgument, "onnxruntime: elements of type " + std::to_string(element));
  }
}

int ElementOf(DType dtype) {
  switch (dtype) {
    case DType::kFloat32: return 1;
    case DType::kInt32: return 6;
    case DType::kInt64: return 7;
    case DType::kFloat64: return 11;
  }
  return 0;
}

// With `batch` for dimensions that are open.
Result<TensorSpec> SpecOf(const Library& library, const void* session, bool is_input, std::size_t i,
                          std::int64_t batch) {
  TensorSpec spec;
  char* name = nullptr;
  PUNCTUAL_TRY(library.Call(is_input ? Function::kSessionGetInputName : Function::kSessionGetOutputName, session, i,
                            library.allocator(), &name));
  spec.name = name;
  PUNCTUAL_TRY(library.Call(Function::kAllocatorFree, library.allocator(), static_cast<void*>(name)));
  Owned type(library, Function::kReleaseTypeInfo);
  PUNCTUAL_TRY(library.Call(is_input ? Function::kSessionGetInputTypeInfo : Function::kSessionGetOutputTypeInfo,
                            session, i, type.out()));
  const void* tensor = nullptr;
  PUNCTUAL_TRY(library.Call(Function::kCastTypeInfoToTensorInfo, static_cast<const void*>(type.get()), &tensor));
  if (tensor == nullptr) return Fail(Code::kInvalidArgument, "onnxruntime: \"" + spec.name + "\" is no tensor");
  int element = 0;
  PUNCTUAL_TRY(library.Call(Function::kGetTensorElementType, tensor, &element));
  PUNCTUAL_ASSIGN(spec.dtype, DTypeOf(element));
  std::size_t rank = 0;
  PUNCTUAL_TRY(library.Call(Function::kGetDimensionsCount, tensor, &rank));
  spec.shape.resize(rank);
  PUNCTUAL_TRY(library.Call(Function::kGetDimensions, tensor, spec.shape.data(), rank));
  for (std::int64_t& dimension : spec.shape)
    if (dimension < 0) dimension = batch;
  return spec;
}

Result<std::vector<TensorSpec>> SpecsOf(const Library& library, const void* session, bool is_input,
                                        std::int64_t batch) {
  std::size_t count = 0;
  PUNCTUAL_TRY(
      library.Call(is_input ? Function::kSessionGetInputCount : Function::kSessionGetOutputCount, session, &count));
  std::vector<TensorSpec> specs;
  for (std::size_t i = 0; i < count; ++i) {
    PUNCTUAL_ASSIGN(TensorSpec spec, SpecOf(library, session, is_input, i, batch));
    specs.push_back(std::move(spec));
  }
  return specs;
}

class OnnxRuntimeSession final : public Session {
 public:
  explicit OnnxRuntimeSession(const Library& library)
      : library_(library),
        session_(library, Function::kReleaseSession),
        binding_(library, Function::kReleaseIoBinding) {}

  Result<void> Load(const std::string& onnx, Optimization optimization, std::int64_t batch, Signature& signature) {
    Owned options(library_, Function::kReleaseSessionOptions);
    PUNCTUAL_TRY(library_.Call(Function::kCreateSessionOptions, options.out()));
    PUNCTUAL_TRY(
        library_.Call(Function::kSetSessionGraphOptimizationLevel, options.get(), static_cast<int>(optimization)));
    PUNCTUAL_TRY(library_.Call(Function::kSetIntraOpNumThreads, options.get(), 1));
    PUNCTUAL_TRY(library_.Call(Function::kSetInterOpNumThreads, options.get(), 1));
    PUNCTUAL_TRY(library_.Call(Function::kCreateSessionFromArray, library_.env(), static_cast<const void*>(onnx.data()),
                               onnx.size(), static_cast<const void*>(options.get()), session_.out()));
    PUNCTUAL_TRY(library_.Call(Function::kCreateIoBinding, session_.get(), binding_.out()));
    PUNCTUAL_ASSIGN(signature.inputs, SpecsOf(library_, session_.get(), true, batch));
    PUNCTUAL_ASSIGN(signature.outputs, SpecsOf(library_, session_.get(), false, batch));
    for (const TensorSpec& spec : signature.inputs) PUNCTUAL_TRY(Bind(spec, Function::kBindInput, inputs_));
    for (const TensorSpec& spec : signature.outputs) PUNCTUAL_TRY(Bind(spec, Function::kBindOutput, outputs_));
    return {};
  }

  std::span<std::byte> input(std::size_t i) override { return inputs_[i].mutable_bytes(); }
  std::span<const std::byte> output(std::size_t i) const override { return outputs_[i].bytes(); }
  Result<void> Run() override {
    return library_.Call(Function::kRunWithBinding, session_.get(), static_cast<const void*>(nullptr),
                         static_cast<const void*>(binding_.get()));
  }

 private:
  Result<void> Bind(const TensorSpec& spec, Function bind, std::vector<Tensor>& tensors) {
    PUNCTUAL_TRY(ElementCount(spec.shape));
    Tensor& tensor = tensors.emplace_back(spec.dtype, spec.shape);
    Owned value(library_, Function::kReleaseValue);
    PUNCTUAL_TRY(library_.Call(Function::kCreateTensorWithDataAsOrtValue, library_.memory(),
                               static_cast<void*>(tensor.mutable_bytes().data()), tensor.bytes().size(),
                               tensor.shape().data(), tensor.shape().size(), ElementOf(spec.dtype), value.out()));
    PUNCTUAL_TRY(library_.Call(bind, binding_.get(), spec.name.c_str(), static_cast<const void*>(value.get())));
    values_.push_back(std::move(value));
    return {};
  }

  const Library& library_;
  Owned session_;
  std::vector<Tensor> inputs_, outputs_;
  std::vector<Owned> values_;
  Owned binding_;
};

class OnnxRuntimeModel final : public CompiledModel {
 public:
  OnnxRuntimeModel(const Library& library, Optimization optimization, std::string onnx)
      : library_(library), optimization_(optimization), onnx_(std::move(onnx)) {}

  Result<void> Check() {
    OnnxRuntimeSession session(library_);
    return session.Load(onnx_, optimization_, 1, signature_);
  }
  const Signature& signature() const override { return signature_; }
  Result<std::unique_ptr<Session>> NewSession(std::size_t batch) override {
    auto session = std::make_unique<OnnxRuntimeSession>(library_);
    Signature signature;
    PUNCTUAL_TRY(session->Load(onnx_, optimization_, static_cast<std::int64_t>(batch), signature));
    return std::unique_ptr<Session>(std::move(session));
  }

 private:
  const Library& library_;
  const Optimization optimization_;
  const std::string onnx_;
  Signature signature_;
};

template <Optimization kOptimization>
class OnnxRuntimeBackend final : public Backend {
 public:
  Result<std::unique_ptr<CompiledModel>> Compile(const CompileRequest& request) override {
    if (request.precision != "fp32")
      return Fail(Code::kFailedPrecondition, "onnxruntime: computes in fp32 alone on CPUs of this kind");
    PUNCTUAL_ASSIGN(const Library* library, Library::Get());
    auto model = std::make_unique<OnnxRuntimeModel>(*library, kOptimization, std::string(request.onnx));
    PUNCTUAL_TRY(model->Check());
    return std::unique_ptr<CompiledModel>(std::move(model));
  }
};

template <Optimization kOptimization>
std::unique_ptr<Backend> Make() {
  return std::make_unique<OnnxRuntimeBackend<kOptimization>>();
}
[[maybe_unused]] const bool registered = RegisterBackend("onnxruntime", Make<Optimization::kAll>) &&
                                         RegisterBackend("onnxruntime_as_written", Make<Optimization::kNone>);

}  // namespace

}  // namespace punctual
