"""verl's platform plugin for the CPU: with it the real verl 0.9.1 trains on a machine without a GPU.

verl loads it when the environment says `VERL_USE_EXTERNAL_MODULES=training.cpu.platform VERL_PLATFORM=cpu`. Two more
variables belong to it: `VERL_ENGINE_DEVICE=cuda` picks the FSDP engine, which verl registers for accelerators only
(symptom without it: `No engine registered for device='cpu'`), and `PYTHONPATH` must hold this checkout, first, because
verl's wheel brings a top-level package `tests`.

It is for proofs and tests with tiny models. On a GPU nothing of it is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import ModuleType
from typing import Any

import torch
import torch.distributed
from torch.distributed.fsdp import CPUOffloadPolicy
from verl.plugin.platform.platform_base import PlatformBase
from verl.plugin.platform.platform_manager import PlatformRegistry

from training.cpu import device


@PlatformRegistry.register(platform="cpu")
class CpuPlatform(PlatformBase):  # type: ignore[misc]
    """One device named `cpu`, which Ray books as if it were one GPU."""

    @property
    def device_name(self) -> str:
        """The torch device type."""
        return "cpu"

    @property
    def vendor_name(self) -> str:
        """No vendor: engines registered for a device without a vendor are the ones that fit."""
        return "cpu"

    @property
    def device_module(self) -> ModuleType:
        """What stands in for `torch.cuda`."""
        return device

    def is_available(self) -> bool:
        """Always."""
        return True

    def current_device(self) -> str:
        """A name where accelerators give a number: `tensor.to(0)` would look for an accelerator and fail."""
        return device.current_device()

    def device_count(self) -> int:
        """One."""
        return device.device_count()

    def set_device(self, device_index: int) -> None:
        """Nothing to choose."""

    def synchronize(self, device_index: int | None = None) -> None:
        """Nothing to wait for: the CPU computes at once."""

    def manual_seed(self, seed: int) -> None:
        """Seed the only generator."""
        torch.manual_seed(seed)

    def manual_seed_all(self, seed: int) -> None:
        """Seed the only generator."""
        torch.manual_seed(seed)

    def set_allocator_settings(self, settings: str) -> None:
        """The CPU's allocator has none."""

    def empty_cache(self) -> None:
        """Nothing cached."""

    def get_device_capability(self, *_: Any) -> tuple[int | None, int | None]:
        """No CUDA capability."""
        return None, None

    def communication_backend_name(self) -> str:
        """The collective library of the CPU."""
        return "gloo"

    def visible_devices_envvar(self) -> str:
        """What Ray sets for the one "GPU" it was told to book."""
        return "CUDA_VISIBLE_DEVICES"

    @contextmanager
    def nvtx_range(self, *_: Any) -> Iterator[None]:
        """No profiler ranges."""
        yield

    def profiler_start(self) -> None:
        """No device profiler."""

    def profiler_stop(self) -> None:
        """No device profiler."""

    def ray_resource_name(self) -> str:
        """Workers are placed by booked GPUs; `ray.init(num_gpus=1)` makes one up."""
        return "GPU"

    def ray_noset_envvars(self) -> list[str]:
        """Lets verl, not Ray, set the visible devices."""
        return ["RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES"]

    def is_ipc_supported(self) -> bool:
        """No: weights then travel to vLLM through shared memory instead of CUDA handles."""
        return False

    def cudart(self) -> None:
        """No CUDA runtime."""


def _one_backend_per_device(init: Callable[..., Any]) -> Callable[..., Any]:
    """Reduce `cpu:gloo,cpu:gloo` to `gloo`.

    verl always asks for one backend of the CPU and one of the accelerator; here both are the same, and torch stops with
    `Duplicate device type 'cpu' in backend string`.
    """

    @wraps(init)
    def init_process_group(backend: str | None = None, *args: Any, **kwargs: Any) -> Any:
        return init("gloo" if backend == "cpu:gloo,cpu:gloo" else backend, *args, **kwargs)

    return init_process_group


torch.distributed.init_process_group = _one_backend_per_device(torch.distributed.init_process_group)


def _never_pinned(init: Callable[..., None]) -> Callable[..., None]:
    """Leave offloaded weights where they are.

    verl offloads the reference policy into pinned memory; pinning asks for an accelerator and torch stops with `Cannot
    access accelerator device when none is available`.
    """

    @wraps(init)
    def without_pinning(self: CPUOffloadPolicy, pin_memory: bool = False) -> None:  # noqa: ARG001
        init(self, pin_memory=False)

    return without_pinning


CPUOffloadPolicy.__init__ = _never_pinned(CPUOffloadPolicy.__init__)
