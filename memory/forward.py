"""The layers of the sentence encoder, run by onnxruntime: `encoder.onnx` is their graph, without any weights.

The weights are handed over as arrays when the graph is loaded, so that no file repeats them. One thread, the same
result every time, safe to call from several threads at once, and no lock of Python's is held meanwhile. The graph is
written by `python -m training.safety_screen.graph`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Layer = Mapping[str, Floats]

FILE = "encoder.onnx"
GIVEN, FOUND = "hidden", "found"
"""What goes into the graph and what comes out: one row per token."""


def weight_name(layer: int, part: str) -> str:
    """Return what the graph calls a weight of a layer."""
    return f"{layer}_{part}"


class Forward:
    """The layers of one encoder, ready to run; loading takes a twentieth of a second."""

    def __init__(self, layers: Sequence[Layer], threads: int = 1) -> None:
        """Load the graph with the weights of `layers`, by their names there.

        Raises:
            ValueError, OSError: onnxruntime or the graph cannot be loaded, or the weights are not the graph's.
        """
        try:
            import onnxruntime as ort
        except ImportError as error:
            raise ValueError(f"onnxruntime cannot be imported: {error}") from error

        graph = files("memory").joinpath(FILE).read_bytes()
        weights = {weight_name(number, part): one for number, layer in enumerate(layers) for part, one in layer.items()}
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 4
        try:
            # Kept as long as the session: it reads the arrays where they are.
            self._weights = [ort.OrtValue.ortvalue_from_numpy(one) for one in weights.values()]
            options.add_external_initializers(list(weights), self._weights)
            self._session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ValueError(f"onnxruntime cannot load {FILE} with the encoder's weights: {error}") from error

    def __call__(self, hidden: Floats) -> Floats:
        """Return the last layer's output from the first one's input, one row per token."""
        found: Floats = self._session.run([FOUND], {GIVEN: hidden})[0]
        return found
