// The OpenVINO backend: model files through OpenVINO on the device that the manifest names.
//
// Each session is a compiled model of its own with one stream and one thread: OpenVINO serialises the inferences of one
// stream, and several streams of one compiled model bring a scheduler of their own, which would stand between the
// worker pool and its deadlines. The weights are small where this matters.
#include <algorithm>
#include <sstream>

#include <openvino/openvino.hpp>

#include "backend/openvino/onnx_order.h"
#include "model/backend.h"

namespace punctual {

namespace {

Result<DType> DTypeOf(const ov::element::Type& type, const std::string& what) {
  if (type == ov::element::f32) return DType::kFloat32;
  if (type == ov::element::f64) return DType::kFloat64;
  if (type == ov::element::i32) return DType::kInt32;
  if (type == ov::element::i64) return DType::kInt64;
  return Fail(Code::kInvalidArgument,
              what + " is of type " + type.get_type_name() + "; FP32, FP64, INT32 and INT64 are served");
}

std::string NameOf(const ov::Output<const ov::Node>& port) {
  return port.get_names().empty() ? port.get_node()->get_friendly_name() : port.get_any_name();
}

Result<TensorSpec> SpecOf(const ov::Output<const ov::Node>& port, const std::string& where, const char* what) {
  TensorSpec spec;
  spec.name = NameOf(port);
  const std::string full = where + ": " + what + " \"" + spec.name + "\"";
  if (port.get_partial_shape().is_dynamic())
    return Fail(Code::kInvalidArgument, full + " has the shape " + port.get_partial_shape().to_string() +
                                            "; only the first dimension (the batch) may be open");
  PUNCTUAL_ASSIGN(spec.dtype, DTypeOf(port.get_element_type(), full));
  for (const std::size_t dimension : port.get_shape()) spec.shape.push_back(static_cast<std::int64_t>(dimension));
  PUNCTUAL_TRY(ElementCount(spec.shape));
  return spec;
}

std::string Trimmed(const std::string& line) {
  const std::size_t begin = line.find_first_not_of(" \t\r-"), end = line.find_last_not_of(" \t\r");
  return begin == std::string::npos ? "" : line.substr(begin, end + 1 - begin);
}

// OpenVINO's messages are pages long and carry its source paths; the last line that says something is what people need,
// unless one names the operators that it has not.
std::string Shorten(const std::string& message) {
  std::string best;
  std::istringstream lines(message);
  for (std::string line; std::getline(lines, line);) {
    line = Trimmed(line);
    if (line.starts_with("No conversion rule found for operations:")) {
      best = line;
      break;
    }
    if (line.size() > 3 && line.find(".cpp:") == std::string::npos && line.find(".hpp:") == std::string::npos &&
        !line.starts_with("To facilitate"))
      best = line;
  }
  if (best.empty()) best = message;
  return best.substr(0, 400);
}

class OpenVinoSession final : public Session {
 public:
  explicit OpenVinoSession(ov::CompiledModel compiled) : compiled_(std::move(compiled)) {
    request_ = compiled_.create_infer_request();
    for (std::size_t i = 0; i < compiled_.inputs().size(); ++i) inputs_.push_back(request_.get_input_tensor(i));
    for (std::size_t i = 0; i < compiled_.outputs().size(); ++i) outputs_.push_back(request_.get_output_tensor(i));
  }

  std::span<std::byte> input(std::size_t i) override {
    return {static_cast<std::byte*>(inputs_[i].data()), inputs_[i].get_byte_size()};
  }
  std::span<const std::byte> output(std::size_t i) const override {
    return {static_cast<const std::byte*>(outputs_[i].data()), outputs_[i].get_byte_size()};
  }
  Result<void> Run() override {
    try {
      request_.infer();
      return {};
    } catch (const std::exception& e) {
      return Fail(Code::kInternal, "openvino: inference failed: " + Shorten(e.what()));
    }
  }

 private:
  ov::CompiledModel compiled_;
  ov::InferRequest request_;
  std::vector<ov::Tensor> inputs_, outputs_;
};

class OpenVinoModel final : public CompiledModel {
 public:
  OpenVinoModel(ov::Core& core, std::shared_ptr<ov::Model> model, std::string device, ov::AnyMap properties,
                Signature signature, bool batch_is_open, std::string where)
      : core_(core),
        model_(std::move(model)),
        device_(std::move(device)),
        properties_(std::move(properties)),
        signature_(std::move(signature)),
        batch_is_open_(batch_is_open),
        where_(std::move(where)) {}

  const Signature& signature() const override { return signature_; }

  Result<std::unique_ptr<Session>> NewSession(std::size_t batch) override {
    try {
      std::shared_ptr<const ov::Model> model = model_;
      if (batch != 1) {
        PUNCTUAL_ASSIGN(model, OfBatch(batch));
      }
      return std::unique_ptr<Session>(
          std::make_unique<OpenVinoSession>(core_.compile_model(model, device_, properties_)));
    } catch (const std::exception& e) {
      return Fail(Code::kInvalidArgument,
                  where_ + ": openvino: cannot be compiled for " + device_ + ": " + Shorten(e.what()));
    }
  }

 private:
  // The model with its inputs' first dimension, and so that of its outputs, at `batch`.
  Result<std::shared_ptr<const ov::Model>> OfBatch(std::size_t batch) const {
    const auto refuse = [] { return Fail(Code::kFailedPrecondition, "openvino: the model file has no open batch"); };
    if (!batch_is_open_) return refuse();
    const std::shared_ptr<ov::Model> model = model_->clone();
    const auto first = static_cast<ov::Dimension::value_type>(batch);
    std::map<std::size_t, ov::PartialShape> shapes;
    for (std::size_t i = 0; i < model->inputs().size(); ++i) {
      shapes[i] = model->input(i).get_partial_shape();
      shapes[i][0] = first;
    }
    model->reshape(shapes);
    for (std::size_t i = 0; i < model->outputs().size(); ++i) {
      ov::PartialShape wanted = model_->output(i).get_partial_shape();
      if (wanted.size() == 0 || wanted[0] != 1) return refuse();
      wanted[0] = first;
      if (model->output(i).get_partial_shape() != wanted) return refuse();
    }
    return std::shared_ptr<const ov::Model>(model);
  }

  ov::Core& core_;
  const std::shared_ptr<ov::Model> model_;
  const std::string device_;
  const ov::AnyMap properties_;
  const Signature signature_;
  const bool batch_is_open_;
  const std::string where_;
};

class OpenVinoBackend final : public Backend {
 public:
  Result<std::unique_ptr<CompiledModel>> Compile(const CompileRequest& request) override {
    try {
      return DoCompile(request);
    } catch (const std::exception& e) {
      return Fail(Code::kInvalidArgument, request.where + ": openvino: cannot be read: " + Shorten(e.what()));
    }
  }

 private:
  Result<std::unique_ptr<CompiledModel>> DoCompile(const CompileRequest& request) {
    if (auto ordered = CheckOrder(request.onnx); ordered.has_error())
      return Fail(ordered.error().code, request.where + ": openvino: " + ordered.error().message);
    std::shared_ptr<ov::Model> model = core_.read_model(std::string(request.onnx), ov::Tensor());
    for (const auto& input : model->inputs())
      if (input.get_partial_shape().rank().is_dynamic())
        return Fail(Code::kInvalidArgument,
                    request.where + ": input \"" + input.get_any_name() + "\" does not say its rank");
    std::map<std::size_t, ov::PartialShape> shapes;
    bool batch_is_open = !model->inputs().empty();
    for (std::size_t i = 0; i < model->inputs().size(); ++i) {
      ov::PartialShape shape = model->input(i).get_partial_shape();
      const bool is_open = shape.size() > 0 && shape[0].is_dynamic();
      batch_is_open = batch_is_open && is_open;
      if (is_open) shape[0] = 1;
      shapes[i] = shape;
    }
    model->reshape(shapes);

    Signature signature;
    const ov::Model& fixed = *model;
    for (const auto& input : fixed.inputs()) {
      PUNCTUAL_ASSIGN(auto spec, SpecOf(input, request.where, "input"));
      signature.inputs.push_back(std::move(spec));
    }
    for (const auto& output : fixed.outputs()) {
      PUNCTUAL_ASSIGN(auto spec, SpecOf(output, request.where, "output"));
      signature.outputs.push_back(std::move(spec));
    }

    // Never left to the engine: on CPUs that have it, its own default quietly computes in bf16.
    ov::AnyMap properties{
        ov::hint::inference_precision(request.precision == "bf16" ? ov::element::bf16 : ov::element::f32),
        ov::hint::execution_mode(request.precision == "bf16" ? ov::hint::ExecutionMode::PERFORMANCE
                                                             : ov::hint::ExecutionMode::ACCURACY)};
    if (request.device == "CPU") {
      properties.insert(ov::num_streams(1));
      properties.insert(ov::inference_num_threads(1));
      properties.insert(ov::hint::enable_cpu_pinning(false));
      // OpenVINO 2026.4.1 gives the outputs of some chains of quantised layers wrong, without a word, where it compiles
      // them into a kernel of their own (its "snippets").
      if (IsQuantised(*model)) properties.insert({"SNIPPETS_MODE", "DISABLE"});
    }
    PUNCTUAL_TRY(CheckDevice(request));
    return std::unique_ptr<CompiledModel>(std::make_unique<OpenVinoModel>(core_, std::move(model), request.device,
                                                                          std::move(properties), std::move(signature),
                                                                          batch_is_open, request.where));
  }

  static bool IsQuantised(const ov::Model& model) {
    const auto ops = model.get_ops();
    return std::any_of(ops.begin(), ops.end(), [](const std::shared_ptr<ov::Node>& op) {
      return std::string_view(op->get_type_name()) == "FakeQuantize";
    });
  }

  Result<void> CheckDevice(const CompileRequest& request) {
    if (request.device == "AUTO") return {};
    std::string there;
    for (const std::string& device : core_.get_available_devices()) {
      if (device == request.device || device.starts_with(request.device + ".")) return CheckPrecision(request);
      there += (there.empty() ? "" : ", ") + device;
    }
    return Fail(Code::kFailedPrecondition,
                "device: openvino finds no \"" + request.device + "\" on this machine; there are: " + there + ", AUTO");
  }

  // Asked for bf16 where there is none, OpenVINO computes in f32 without a word: the answer would name a wrong variant.
  Result<void> CheckPrecision(const CompileRequest& request) {
    if (request.precision != "bf16") return {};
    const auto can = core_.get_property(request.device, ov::device::capabilities);
    if (std::find(can.begin(), can.end(), "BF16") != can.end()) return {};
    return Fail(Code::kFailedPrecondition,
                "variant: \"bf16\" is not computed by the " + request.device + " of this machine; take \"fp32\"");
  }

  ov::Core core_;
};

[[maybe_unused]] const bool registered =
    RegisterBackend("openvino", []() -> std::unique_ptr<Backend> { return std::make_unique<OpenVinoBackend>(); });

}  // namespace

}  // namespace punctual
