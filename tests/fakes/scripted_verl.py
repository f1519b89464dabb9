"""An environment whose verl only plays: it takes verl's command line and leaves what verl leaves, without training.

It goes on from its newest checkpoint, as verl does. After its first step it waits for `Played.go_on`, so that a test
can kill the run in its middle without looking at a clock.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

STEPS = 2
_PLAY = """#!{python}
import json, os, sys, time
from pathlib import Path

given = dict(one.lstrip("+").split("=", 1) for one in sys.argv if "=" in one)
checkpoints = Path(given["trainer.default_local_dir"].strip("'"))
metrics, noted = Path(os.environ["VERL_FILE_LOGGER_PATH"]), checkpoints / "latest_checkpointed_iteration.txt"
for number in range(int(noted.read_text()) + 1 if noted.exists() else 1, {steps} + 1):
    while number > 1 and not Path({go_on!r}).exists():
        time.sleep(0.05)
    weights = checkpoints / f"global_step_{{number}}/actor/huggingface"
    weights.mkdir(parents=True)
    (weights / "model.safetensors").write_text(f"{{Path({seed!r}).read_text()}} after step {{number}}")
    noted.write_text(str(number))
    figures = {{"critic/score/mean": 0.5 + number / 100, "timing_s/step": 1.0}}
    with metrics.open("a") as file:
        file.write(json.dumps({{"step": number, "data": figures}}) + "\\n")
"""


@dataclass(frozen=True, slots=True)
class Played:
    """Where it is, and what it reads."""

    environment: Path
    """For `attune.environment` of a run."""
    go_on: Path
    """It trains its second step once this file is there."""
    seed: Path
    """Its text goes into the weights, so that a test can ask for others."""


def make_scripted_verl(directory: Path, known: dict[str, Any]) -> Played:
    """Make an environment whose verl knows these settings and no others."""
    played = Played(directory / "environment", directory / "go-on", directory / "seed")
    settings = played.environment / "lib/python3.11/site-packages/verl/trainer/config/_generated_ppo_trainer.yaml"
    settings.parent.mkdir(parents=True)
    settings.write_text(yaml.safe_dump(known), encoding="utf-8")
    played.seed.write_text("weights", encoding="utf-8")
    program = played.environment / "bin/python"
    program.parent.mkdir()
    text = _PLAY.format(python=sys.executable, steps=STEPS, go_on=str(played.go_on), seed=str(played.seed))
    program.write_text(text, encoding="utf-8")
    program.chmod(0o755)
    return played
