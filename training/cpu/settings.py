"""What verl's configuration and environment need on a CPU: each setting with the stop it removes."""

from __future__ import annotations

from pathlib import Path

ACTOR = "actor_rollout_ref.actor"
ROLLOUT = "actor_rollout_ref.rollout"

CPU_SETTINGS = (
    # Ray counts two cores and waits for ever: make room for its actors and invent the GPU that workers book.
    "ray_kwargs.ray_init.num_cpus=16",
    "+ray_kwargs.ray_init.num_gpus=1",
    "+ray_kwargs.ray_init.include_dashboard=False",
    "transfer_queue.backend.SimpleStorage.num_data_storage_units=1",
    f"{ROLLOUT}.agent.num_workers=1",
    "reward.num_workers=1",
    "trainer.device=cpu",
    "trainer.n_gpus_per_node=1",
    "trainer.nnodes=1",
    # "FlashAttention2 has been toggled on, but it cannot be used": torch's own attention, and padded batches with it.
    "+actor_rollout_ref.model.override_config.attn_implementation=sdpa",
    "actor_rollout_ref.model.use_remove_padding=False",
    # "sync_module_states=True needs GPU": FSDP's second version does without.
    f"{ACTOR}.strategy=fsdp2",
    f"{ACTOR}.fsdp_config.strategy=fsdp2",
    # No compiler is needed for a tiny model, and half precision is slow and coarse on a CPU.
    f"{ACTOR}.use_torch_compile=False",
    f"{ACTOR}.fsdp_config.use_torch_compile=False",
    f"{ACTOR}.fsdp_config.dtype=float32",
    f"+{ACTOR}.fsdp_config.mixed_precision={{param_dtype:fp32,reduce_dtype:fp32,buffer_dtype:fp32}}",
    f"{ROLLOUT}.dtype=float32",
    f"{ROLLOUT}.enforce_eager=True",
    "actor_rollout_ref.model.enable_gradient_checkpointing=False",
    # "Sleep mode is not supported": vLLM on a CPU keeps its memory between steps.
    f"{ROLLOUT}.free_cache_engine=False",
    f"+{ROLLOUT}.enable_sleep_mode=False",
    f"{ROLLOUT}.gpu_memory_utilization=0.3",
    # "DataLoader worker is killed": small shared memory; load in the main process and send weights in small buckets.
    "data.dataloader_num_workers=0",
    f"{ROLLOUT}.checkpoint_engine.update_weights_bucket_megabytes=16",
)

CPU_SFT_SETTINGS = (
    "trainer.device=cpu",
    "data.num_workers=0",
    "model.use_remove_padding=False",
    "model.enable_gradient_checkpointing=False",
    "+model.override_config.attn_implementation=sdpa",
    "engine.strategy=fsdp2",
    "engine.dtype=float32",
    "engine.use_torch_compile=False",
    "+engine.mixed_precision={param_dtype:fp32,reduce_dtype:fp32,buffer_dtype:fp32}",
)
"""The same for verl's supervised trainer, which needs neither Ray nor vLLM."""


def cpu_environment(checkout: Path) -> dict[str, str]:
    """Variables that load the platform plugin, keep everything offline and report nothing."""
    return {
        "PYTHONPATH": str(checkout),
        "VERL_USE_EXTERNAL_MODULES": "training.cpu.platform",
        "VERL_PLATFORM": "cpu",
        "VERL_ENGINE_DEVICE": "cuda",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "DO_NOT_TRACK": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
    }
