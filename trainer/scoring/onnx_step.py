"""One step of a model as ONNX: raw features, h, c to risks, h, c, with all that lies between.

Scaling, pieces, network and calibration are in the graph, so that another program needs the
features of the hour (`docs/model.md`, section 3) and nothing else. Unknown features are NaN.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, checker, helper, numpy_helper

from streamer.core import features
from streamer.core.lstm_network import HORIZONS
from streamer.core.model import CLIP, DECIMALS, Calibration, Model

OPSET: Final = 18
"""Runtimes since 2023 read it; nothing here needs a newer one."""

IR_VERSION: Final = 9


class _Graph:
    """Nodes and constants under names that are counted."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: Any, dtype: Any = np.float32) -> str:
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        return self.add_many(kind, 1, *inputs, **attributes)[0]

    def add_many(self, kind: str, n: int, *inputs: str, **attributes: Any) -> list[str]:
        names = [f"{kind}_{len(self.nodes)}_{i}" for i in range(n)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names

    def rename(self, old: str, new: str) -> None:
        """Gives an output of the graph its name."""
        self.nodes.append(helper.make_node("Identity", [old], [new]))


def to_onnx(model: Model) -> bytes:
    """The file of one step.

    Inputs: ``features`` ``(n, F)`` float32, raw, in the order of ``feature_names`` of the
    metadata; ``h`` and ``c`` ``(n, layers, hidden)`` float32, zero before the first hour of a stay.
    Outputs: ``risks`` ``(n, 3)`` float64, calibrated and rounded as in a risk message; ``h_after``
    and ``c_after``.
    """
    size, graph = model.architecture, _Graph()
    read = _encoder(graph, model)
    out, states = read, list[tuple[str, str]]()
    for layer in range(size.layers):
        states.append(_layer(graph, model, layer, out))
        out = states[-1][0]
    for name, part in (("h_after", 0), ("c_after", 1)):
        axis = graph.constant([1], np.int64)
        each = [graph.add("Unsqueeze", state[part], axis) for state in states]
        graph.rename(graph.add("Concat", *each, axis=1), name)
    _risks(graph, model, read, out)
    shape: list[str | int] = ["n", size.layers, size.hidden]
    seen: list[str | int] = ["n", size.n_features]
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
        for name, dims in (("features", seen), ("h", shape), ("c", shape))
    ]
    outputs = [
        helper.make_tensor_value_info("risks", TensorProto.DOUBLE, ["n", len(HORIZONS)]),
        *(
            helper.make_tensor_value_info(n, TensorProto.FLOAT, shape)
            for n in ("h_after", "c_after")
        ),
    ]
    made = helper.make_model(
        helper.make_graph(graph.nodes, "vigil_step", inputs, outputs, graph.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="vigil",
    )
    helper.set_model_props(
        made,
        {
            "model": model.model_id,
            "horizons": ",".join(HORIZONS),
            "threshold": repr(model.threshold),
            "feature_version": str(features.FEATURE_VERSION),
            "feature_names": ",".join(features.features_of(model.variables).names),
        },
    )
    checker.check_model(made, full_check=True)
    return bytes(made.SerializeToString())


def _encoder(graph: _Graph, model: Model) -> str:
    size, weights = model.architecture, model.network.weights
    scaled = graph.add("Sub", "features", graph.constant(model.scaling.mean))
    scaled = graph.add("Div", scaled, graph.constant(model.scaling.std))
    unknown, zero = graph.add("IsNaN", scaled), graph.constant(0.0)
    scaled = graph.add("Where", unknown, zero, scaled)
    x = graph.add("Clip", scaled, graph.constant(-CLIP), graph.constant(CLIP))
    if size.binned:
        edges = np.asarray(weights["edges"], np.float32)
        values = graph.add("Gather", x, graph.constant(weights["binned"], np.int64), axis=1)
        values = graph.add("Unsqueeze", values, graph.constant([2], np.int64))
        above = graph.add("Sub", values, graph.constant(edges[:, :-1]))
        pieces = graph.add("Div", above, graph.constant(np.diff(edges, axis=1)))
        pieces = graph.add("Clip", pieces, zero, graph.constant(1.0))
        flat = graph.constant([0, size.binned * size.bins], np.int64)
        x = graph.add("Concat", x, graph.add("Reshape", pieces, flat), axis=1)
    for name in ("first", "second"):
        weight, bias = graph.constant(weights[f"{name}.weight"]), weights[f"{name}.bias"]
        x = graph.add("Relu", graph.add("Gemm", x, weight, graph.constant(bias), transB=1))
    return x


def _layer(graph: _Graph, model: Model, layer: int, read: str) -> tuple[str, str]:
    """h and c of one layer after the step."""
    weights, at = model.network.weights, graph.constant(layer, np.int64)
    before = {name: graph.add("Gather", name, at, axis=1) for name in ("h", "c")}
    sums = [
        graph.add(
            "Gemm",
            of,
            graph.constant(weights[f"lstm.weight_{name}_l{layer}"]),
            graph.constant(weights[f"lstm.bias_{name}_l{layer}"]),
            transB=1,
        )
        for name, of in (("ih", read), ("hh", before["h"]))
    ]
    i, f, g, o = graph.add_many("Split", 4, graph.add("Add", *sums), axis=1, num_outputs=4)
    i, f, o = (graph.add("Sigmoid", gate) for gate in (i, f, o))
    kept = graph.add("Mul", f, before["c"])
    c = graph.add("Add", kept, graph.add("Mul", i, graph.add("Tanh", g)))
    return graph.add("Mul", o, graph.add("Tanh", c)), c


def _risks(graph: _Graph, model: Model, read: str, out: str) -> None:
    weights = model.network.weights
    glance = graph.add(
        "Gemm", read, graph.constant(weights["glance_head"]), graph.constant(weights["bias"]),
        transB=1,
    )  # fmt: skip
    memory = graph.add("MatMul", out, graph.constant(np.asarray(weights["memory_head"]).T))
    logits = graph.add("Cast", graph.add("Add", glance, memory), to=TensorProto.DOUBLE)
    columns = graph.add_many("Split", len(HORIZONS), logits, axis=1, num_outputs=len(HORIZONS))
    ten = graph.constant(10.0**DECIMALS, np.float64)
    risks: list[str] = []
    for column, calibration in zip(columns, model.calibrations, strict=True):
        risk = graph.add("Sigmoid", _calibrated(graph, calibration, column))
        risk = graph.add("Div", graph.add("Round", graph.add("Mul", risk, ten)), ten)
        # A longer horizon is never below a shorter one.
        risks.append(graph.add("Max", risks[-1], risk) if risks else risk)
    graph.rename(graph.add("Concat", *risks, axis=1), "risks")


def _calibrated(graph: _Graph, calibration: Calibration, logit: str) -> str:
    """A piecewise linear map as a line and, at each inner knot, the change of its slope."""
    x, y = calibration.logits, calibration.calibrated
    slopes: NDArray[np.float64] = np.diff(y) / np.diff(x)

    def double(value: Any) -> str:
        return graph.constant(value, np.float64)

    line = graph.add("Mul", graph.add("Sub", logit, double(x[0])), double(slopes[0]))
    line = graph.add("Add", line, double(y[0]))
    if len(slopes) > 1:
        beyond = graph.add("Relu", graph.add("Sub", logit, double(x[1:-1])))  # (n, K - 2)
        turned = graph.add("MatMul", beyond, double(np.diff(slopes)[:, None]))
        line = graph.add("Add", line, turned)
    return line
