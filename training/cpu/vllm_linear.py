"""A vLLM plugin for the CPU: keep the weights of linear layers where verl can overwrite them.

vLLM repacks these weights for oneDNN after loading and drops the originals. verl writes new weights into the running
engine after every step and then stops with `'Parameter' object has no attribute 'weight_loader'`. Without the repacking
vLLM falls back to torch's own linear layer: slower, and its weights stay. Serving does not need it.

vLLM finds it by the entry point that training/cpu/vllm_name.py registers.
"""

from __future__ import annotations

import os


def register() -> None:
    """Called by vLLM in each of its processes, before a model is loaded."""
    if os.environ.get("VERL_PLATFORM") != "cpu":
        return
    from vllm import _custom_ops

    _custom_ops._supports_onednn = False
