"""Writes the graph of the sentence encoder's layers, which `memory/forward.py` runs; it holds no weights.

It follows from the published model's shape alone, so that fitting again changes nothing in it:

    python -m training.safety_screen.graph
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from assistant.safety.encoder import model_directory
from memory import forward
from memory.forward import FOUND, GIVEN, weight_name
from memory.minilm import EPSILON, Base, read_base

_OPSET, _IR_VERSION = 23, 10
_FIRST = "first_axis"


def graph(base: Base) -> ModelProto:
    """Return the layers of `base` as a graph whose weights are given when it is loaded."""
    nodes: list[NodeProto] = []
    hidden = GIVEN
    for number in range(len(base.layers)):
        out = FOUND if number == len(base.layers) - 1 else f"{number}_hidden"
        nodes += _layer(number, base.heads, hidden, out)
        hidden = out
    weights = [
        _given(weight_name(number, part), values.shape)
        for number, layer in enumerate(base.layers)
        for part, values in layer.items()
    ]
    rows = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["tokens", base.width]) for name in (GIVEN, FOUND)]
    first = numpy_helper.from_array(np.array([0]), _FIRST)
    made = helper.make_graph(nodes, "encoder", rows[:1], rows[1:], [first, *weights])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)


def _layer(number: int, heads: int, hidden: str, out: str) -> list[NodeProto]:
    """Return the nodes from a layer's input to its output."""

    def named(name: str) -> str:
        return f"{number}_{name}"

    def node(kind: str, given: list[str], found: str | list[str], **settings: Any) -> NodeProto:
        return helper.make_node(kind, given, [found] if isinstance(found, str) else found, **settings)

    def linear(part: str, given: str, found: str) -> NodeProto:
        return node("Gemm", [given, named(f"{part}_weight"), named(f"{part}_bias")], found, transB=1)

    def normed(part: str, given: str, found: str) -> NodeProto:
        weights = [named(f"{part}_weight"), named(f"{part}_bias")]
        return node("LayerNormalization", [given, *weights], found, axis=-1, epsilon=EPSILON)

    parts = [named("query"), named("key"), named("value")]
    return [
        linear("qkv", hidden, named("flat")),
        node("Unsqueeze", [named("flat"), _FIRST], named("all")),
        node("Split", [named("all")], parts, axis=2, num_outputs=3),
        node("Attention", parts, named("attended"), q_num_heads=heads, kv_num_heads=heads),
        node("Squeeze", [named("attended"), _FIRST], named("mixed")),
        linear("out", named("mixed"), named("projected")),
        node("Add", [hidden, named("projected")], named("sum1")),
        normed("norm1", named("sum1"), named("middle")),
        linear("up", named("middle"), named("wide")),
        node("Gelu", [named("wide")], named("bent")),
        linear("down", named("bent"), named("narrow")),
        node("Add", [named("middle"), named("narrow")], named("sum2")),
        normed("norm2", named("sum2"), out),
    ]


def _given(name: str, shape: tuple[int, ...]) -> TensorProto:
    """Return a weight that stands outside the graph."""
    outside: Mapping[str, str] = {"location": "given when the graph is loaded"}
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape, data_location=TensorProto.EXTERNAL)
    for key, value in outside.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def main() -> None:
    """Write the graph beside the code that runs it."""
    content = graph(read_base(model_directory())).SerializeToString(deterministic=True)
    Path(forward.__file__).with_name(forward.FILE).write_bytes(content)


if __name__ == "__main__":
    main()
