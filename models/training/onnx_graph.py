"""A small writer of ONNX graphs: one input `book`, one output `probabilities`, the batch size left open."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET, IR_VERSION = 17, 8
INPUT, OUTPUT = "book", "probabilities"


class Graph:
    def __init__(self, shape: list[int]):
        self.input = INPUT
        self._shape = ["N", *shape]
        self._nodes, self._constants = [], []

    def add(self, operator: str, *inputs: str, **attributes) -> str:
        name = f"{operator.lower()}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, value: np.ndarray) -> str:
        name = f"constant_{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def integers(self, value: int, scalar: bool = False) -> str:
        return self.constant(np.array(value if scalar else [value], np.int64))

    def dense(self, x: str, w: np.ndarray, b: np.ndarray) -> str:
        return self.add("Gemm", x, self.constant(w), self.constant(b))

    def conv(self, x: str, w: np.ndarray, b: np.ndarray, **attributes) -> str:
        """w is [out, in, ...] as ONNX has it."""
        return self.add("Conv", x, self.constant(w), self.constant(b), kernel_shape=list(w.shape[2:]), **attributes)

    def conv1d(self, x: str, w: np.ndarray, b: np.ndarray, pads: list[int], dilation: int = 1) -> str:
        """w is [taps, in, out] as in training."""
        return self.conv(x, w.transpose(2, 1, 0), b, pads=pads, dilations=[dilation])

    def lstm_last(self, x: str, wx: np.ndarray, wh: np.ndarray, b: np.ndarray) -> str:
        """The hidden state after the last step: x [time, N, in] -> [N, hidden]."""
        biases = np.concatenate([b, np.zeros_like(b)])[None]
        inputs = [x, self.constant(wx.T[None]), self.constant(wh.T[None]), self.constant(biases)]
        self._nodes.append(helper.make_node("LSTM", inputs, ["", "lstm_h"], name="lstm", hidden_size=wh.shape[0]))
        return self.add("Squeeze", "lstm_h", self.integers(0))

    def finish(self, logits: str) -> onnx.ModelProto:
        self._nodes.append(helper.make_node("Softmax", [logits], [OUTPUT], name="softmax", axis=-1))
        graph = helper.make_graph(
            self._nodes,
            "punctual",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, self._shape)],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N", 3])],
            self._constants,
        )
        model = helper.make_model(graph, producer_name="punctual", opset_imports=[helper.make_opsetid("", OPSET)])
        model.ir_version = IR_VERSION
        onnx.checker.check_model(model, full_check=True)
        return model
