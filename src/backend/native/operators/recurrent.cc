// LSTM, GRU.
#include "backend/native/kernels/recurrent.h"

#include <algorithm>
#include <cctype>
#include <limits>
#include <optional>

#include "backend/native/operators/families.h"
#include "backend/native/plan/plan_builder.h"

namespace punctual::native {

namespace {

// The inputs; a GRU has the first six.
constexpr std::size_t kX = 0, kW = 1, kR = 2, kB = 3, kLengths = 4, kInitialH = 5, kInitialC = 6, kPeephole = 7;

struct Sizes {
  std::size_t steps, batch, inputs, hidden, directions;
  bool batch_first;
};

bool IsLstm(const Node& node) { return node.op->type == "LSTM"; }

// REQUIRES: the shapes of X and R were checked.
Sizes SizesOf(const Node& node, const Dims& x, const Dims& r) {
  const bool batch_first = node.Int("layout", 0) == 1;
  const auto size = [](std::int64_t dimension) { return static_cast<std::size_t>(dimension); };
  return {size(x[batch_first ? 1 : 0]), size(x[batch_first ? 0 : 1]), size(x[2]), size(r[2]), size(r[0]), batch_first};
}

std::optional<GateFunction::Kind> FunctionNamed(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  if (name == "sigmoid") return GateFunction::Kind::kSigmoid;
  if (name == "tanh") return GateFunction::Kind::kTanh;
  if (name == "relu") return GateFunction::Kind::kRelu;
  if (name == "hardsigmoid") return GateFunction::Kind::kHardSigmoid;
  return std::nullopt;
}

// The cell of each direction; the message of an error has no "node ...: " before it.
Result<std::vector<RecurrentCell>> CellsOf(const Node& node, const Sizes& sizes) {
  RecurrentCell cell;
  cell.kind = IsLstm(node)                              ? CellKind::kLstm
              : node.Int("linear_before_reset", 0) != 0 ? CellKind::kGruAfter
                                                        : CellKind::kGru;
  cell.inputs = sizes.inputs;
  cell.hidden = sizes.hidden;
  cell.batch = sizes.batch;
  cell.has_peephole = node.input(kPeephole) != kNoValue;
  std::vector<RecurrentCell> cells(sizes.directions, cell);
  const auto* names = node.Strings("activations");
  if (names == nullptr) return cells;
  const std::size_t each = IsLstm(node) ? 3 : 2;
  if (names->size() != each * sizes.directions)
    return Fail(Code::kInvalidArgument, "has " + std::to_string(names->size()) + " activations, it must have " +
                                            std::to_string(each * sizes.directions));
  const auto* alphas = node.Floats("activation_alpha");
  const auto* betas = node.Floats("activation_beta");
  std::size_t with_numbers = 0;  // functions so far that take alpha and beta: the lists have only theirs
  for (std::size_t i = 0; i < names->size(); ++i) {
    const auto kind = FunctionNamed((*names)[i]);
    if (!kind)
      return Fail(Code::kFailedPrecondition,
                  "activation " + (*names)[i] + "; supported: Sigmoid, Tanh, Relu, HardSigmoid");
    RecurrentCell& of = cells[i / each];
    GateFunction& function = i % each == 0 ? of.f : i % each == 1 ? of.g : of.h;
    function.kind = *kind;
    if (*kind != GateFunction::Kind::kHardSigmoid) continue;
    if (alphas != nullptr && with_numbers < alphas->size()) function.alpha = (*alphas)[with_numbers];
    if (betas != nullptr && with_numbers < betas->size()) function.beta = (*betas)[with_numbers];
    ++with_numbers;
  }
  return cells;
}

Result<void> ExpectShape(const InferContext& context, std::size_t i, const Dims& dims, bool constant) {
  if (!context.Has(i)) return {};
  PUNCTUAL_TRY(context.ExpectType(i, {ElementType::kFloat32}));
  const Value& value = context.input(i);
  if (value.dims != dims)
    return context.Wrong("input \"" + value.name + "\" has shape " + ShapeText(value.dims) + ", it must be " +
                         ShapeText(dims));
  if (constant && value.constant == nullptr)
    return context.Unsupported("weights \"" + value.name + "\" are only known when the model runs");
  return {};
}

// Every sequence is as long as the input.
Result<void> ExpectFullLengths(const InferContext& context, const Sizes& sizes) {
  if (!context.Has(kLengths)) return {};
  PUNCTUAL_ASSIGN(const auto lengths, context.ConstantInts(kLengths));
  if (lengths.size() != sizes.batch) return context.Wrong("sequence_lens has not a number for each of the batch");
  const auto is_full = [&](std::int64_t length) { return length == static_cast<std::int64_t>(sizes.steps); };
  if (!std::all_of(lengths.begin(), lengths.end(), is_full))
    return context.Unsupported("sequence_lens shorter than the input");
  return {};
}

Result<void> Infer(InferContext& context) {
  const Node& node = context.node();
  PUNCTUAL_TRY(context.ExpectInputs(3, IsLstm(node) ? 8 : 6));
  PUNCTUAL_TRY(context.ExpectType(kX, {ElementType::kFloat32}));
  if (node.attributes.contains("clip")) return context.Unsupported("attribute clip");
  if (node.Int("input_forget", 0) != 0) return context.Unsupported("input_forget = 1");
  const std::int64_t layout = node.Int("layout", 0);
  if (layout != 0 && layout != 1) return context.Wrong("layout " + std::to_string(layout));
  const Dims& x = context.input(kX).dims;
  const Dims& r = context.input(kR).dims;
  if (x.size() != 3 || r.size() != 3)
    return context.Wrong("X of shape " + ShapeText(x) + " and R of shape " + ShapeText(r) +
                         ", both must have 3 dimensions");
  const std::string direction = node.String("direction", "forward");
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional")
    return context.Wrong("direction \"" + direction + "\"");
  const std::int64_t directions = direction == "bidirectional" ? 2 : 1;
  const Sizes sizes = SizesOf(node, x, r);
  const auto steps = static_cast<std::int64_t>(sizes.steps), batch = static_cast<std::int64_t>(sizes.batch),
             inputs = static_cast<std::int64_t>(sizes.inputs), hidden = static_cast<std::int64_t>(sizes.hidden);
  if (steps == 0 || batch == 0 || inputs == 0 || hidden == 0) return context.Unsupported("a sequence without numbers");
  if (node.Int("hidden_size", hidden) != hidden) return context.Wrong("hidden_size is not that of R");
  const std::int64_t gates = IsLstm(node) ? 4 : 3;
  PUNCTUAL_TRY(ExpectShape(context, kW, {directions, gates * hidden, inputs}, true));
  PUNCTUAL_TRY(ExpectShape(context, kR, {directions, gates * hidden, hidden}, true));
  PUNCTUAL_TRY(ExpectShape(context, kB, {directions, 2 * gates * hidden}, true));
  PUNCTUAL_TRY(ExpectShape(context, kPeephole, {directions, 3 * hidden}, true));
  const Dims state = sizes.batch_first ? Dims{batch, directions, hidden} : Dims{directions, batch, hidden};
  PUNCTUAL_TRY(ExpectShape(context, kInitialH, state, false));
  PUNCTUAL_TRY(ExpectShape(context, kInitialC, state, false));
  PUNCTUAL_TRY(ExpectFullLengths(context, sizes));
  if (const auto cells = CellsOf(node, sizes); cells.has_error()) {
    const Error& error = cells.error();
    return error.code == Code::kInvalidArgument ? context.Wrong(error.message) : context.Unsupported(error.message);
  }
  const Dims y = sizes.batch_first ? Dims{batch, steps, directions, hidden} : Dims{steps, directions, batch, hidden};
  PUNCTUAL_TRY(context.SetOutput(0, ElementType::kFloat32, y));
  PUNCTUAL_TRY(context.SetOutput(1, ElementType::kFloat32, state));
  return context.SetOutput(2, ElementType::kFloat32, state);
}

struct Direction {
  RecurrentCell cell;
  const float* packed = nullptr;
  RecurrentSequence sequence;    // but for what stands in the arena
  std::size_t state = 0, y = 0;  // where its rows begin, in floats
};

// Those that the node has.
struct RecurrentOperands {
  Operand x, scratch;
  std::optional<Operand> initial_h, initial_c, y, last_h, last_c;
};

class RecurrentStep final : public Step {
 public:
  RecurrentStep(std::vector<Direction> directions, const RecurrentOperands& operands)
      : directions_(std::move(directions)), operands_(operands) {}
  void Run(std::byte* arena) const override {
    const auto in = [arena](const std::optional<Operand>& operand, std::size_t offset) {
      return operand ? operand->In<float>(arena) + offset : nullptr;
    };
    const auto out = [arena](const std::optional<Operand>& operand, std::size_t offset) {
      return operand ? operand->Out<float>(arena) + offset : nullptr;
    };
    for (const Direction& direction : directions_) {
      RecurrentSequence sequence = direction.sequence;
      sequence.x = operands_.x.In<float>(arena);
      sequence.initial_h = in(operands_.initial_h, direction.state);
      sequence.initial_c = in(operands_.initial_c, direction.state);
      sequence.y = out(operands_.y, direction.y);
      sequence.last_h = out(operands_.last_h, direction.state);
      sequence.last_c = out(operands_.last_c, direction.state);
      RunRecurrent(direction.cell, direction.packed, sequence, operands_.scratch.Out<float>(arena));
    }
  }

 private:
  std::vector<Direction> directions_;
  RecurrentOperands operands_;
};

// The weights of one direction, as ONNX stores them.
RecurrentWeights WeightsOf(const Node& node, const PlanBuilder& builder, const RecurrentCell& cell,
                           std::size_t direction) {
  const auto constant = [&](std::size_t i, std::size_t each) -> const float* {
    if (node.input(i) == kNoValue) return nullptr;
    return builder.value(node.inputs[i]).constant->values<float>().data() + direction * each;
  };
  const std::size_t rows = cell.gates() * cell.hidden;
  return {constant(kW, rows * cell.inputs), constant(kR, rows * cell.hidden), constant(kB, 2 * rows),
          constant(kPeephole, 3 * cell.hidden)};
}

Result<void> Lower(const Node& node, PlanBuilder& builder) {
  const Sizes sizes = SizesOf(node, builder.value(node.inputs[kX]).dims, builder.value(node.inputs[kR]).dims);
  PUNCTUAL_ASSIGN(const auto cells, CellsOf(node, sizes));
  std::vector<Direction> directions(cells.size());
  std::size_t scratch_floats = 0;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    Direction& direction = directions[i];
    direction.cell = cells[i];
    PUNCTUAL_ASSIGN(const auto packed, builder.KeepMany<float>(PackedRecurrentFloats(cells[i])));
    PackRecurrent(cells[i], WeightsOf(node, builder, cells[i], i), packed.data());
    direction.packed = packed.data();
    RecurrentSequence& sequence = direction.sequence;
    sequence.steps = sizes.steps;
    sequence.reverse = i == 1 || node.String("direction", "forward") == "reverse";
    // Rows: X is [step][batch] or [batch][step]; Y is [step][direction][batch] or [batch][step][direction]; states are
    // [direction][batch] or [batch][direction].
    if (sizes.batch_first) {
      sequence.x_step = 1;
      sequence.x_batch = sizes.steps;
      sequence.y_step = sizes.directions;
      sequence.y_batch = sizes.steps * sizes.directions;
      sequence.initial_batch = sequence.last_batch = sizes.directions;
      direction.y = direction.state = i * sizes.hidden;
    } else {
      sequence.x_step = sizes.batch;
      sequence.x_batch = 1;
      sequence.y_step = sizes.directions * sizes.batch;
      sequence.y_batch = 1;
      sequence.initial_batch = sequence.last_batch = 1;
      direction.y = direction.state = i * sizes.batch * sizes.hidden;
    }
    scratch_floats = std::max(scratch_floats, RecurrentScratchFloats(cells[i], sizes.steps));
  }

  // Outputs that nobody reads are not written.
  std::vector<ValueId> writes;
  const auto optional_output = [&](std::size_t i) -> std::optional<Operand> {
    const ValueId id = node.output(i);
    if (id == kNoValue || !builder.IsRead(id)) return std::nullopt;
    writes.push_back(id);
    return builder.OperandOf(id);
  };
  const auto optional_input = [&](std::size_t i) -> std::optional<Operand> {
    if (node.input(i) == kNoValue) return std::nullopt;
    return builder.OperandOf(node.inputs[i]);
  };
  RecurrentOperands operands;
  operands.x = builder.OperandOf(node.inputs[kX]);
  operands.scratch = builder.Scratch(scratch_floats * sizeof(float));
  operands.initial_h = optional_input(kInitialH);
  operands.initial_c = optional_input(kInitialC);
  operands.y = optional_output(0);
  operands.last_h = optional_output(1);
  operands.last_c = optional_output(2);
  builder.Add(std::make_unique<RecurrentStep>(std::move(directions), operands), node.inputs, writes);
  return {};
}

using enum AttributeKind;

constexpr KnownAttribute kOfLstm[] = {
    {"activation_alpha", kFloats}, {"activation_beta", kFloats}, {"activations", kStrings}, {"clip", kFloat},
    {"direction", kString},        {"hidden_size", kInt},        {"layout", kInt},          {"input_forget", kInt}};
constexpr KnownAttribute kOfGru[] = {{"activation_alpha", kFloats},
                                     {"activation_beta", kFloats},
                                     {"activations", kStrings},
                                     {"clip", kFloat},
                                     {"direction", kString},
                                     {"hidden_size", kInt},
                                     {"layout", kInt},
                                     {"linear_before_reset", kInt}};

constexpr Operator kOperators[] = {
    {"", "LSTM", 7, kLatest, Infer, Lower, kOfLstm},
    {"", "GRU", 7, kLatest, Infer, Lower, kOfGru},
};

}  // namespace

std::span<const Operator> RecurrentOperators() { return kOperators; }

}  // namespace punctual::native
