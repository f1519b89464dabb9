#!/bin/sh
# vLLM with its API key from a file, the settings that Attune needs, and room for the adapters of a rollout.
# Used by Dockerfile.vllm and systemd/vllm.service. Everything may be given: MODEL, PORT, CONTEXT, MAX_RANK, HOST.
set -eu
if [ -n "${VLLM_API_KEY_FILE:-}" ]; then
    VLLM_API_KEY="$(cat "$VLLM_API_KEY_FILE")"
    export VLLM_API_KEY
fi
exec "${PYTHON:-python3}" -m vllm.entrypoints.openai.api_server \
    --model "${MODEL:-Qwen/Qwen3-8B}" --served-model-name attune-base \
    --host "${HOST:-0.0.0.0}" --port "${PORT:-8000}" --max-model-len "${CONTEXT:-16384}" \
    --enable-prefix-caching \
    --enable-lora --max-loras 4 --max-lora-rank "${MAX_RANK:-64}" \
    --structured-outputs-config '{"backend": "guidance", "disable_any_whitespace": true}' "$@"
