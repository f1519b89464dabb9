import asyncio
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from tests.fakes.examples import examples
from tests.fakes.judging import DIMENSIONS, grading, ruler
from tests.fakes.scripted_answers import reply
from tests.fakes.scripted_server import ScriptedServer
from training.errors import ConfigError
from training.example import PromptMessage
from training.grpo import command, train
from training.grpo_config import GrpoConfig, load_grpo_config
from training.peregrm.check import run_check, store
from training.peregrm.config import JudgeConfig, load_judge_config
from training.peregrm.probes import load_trials
from training.personaemp.dataset import Writer, path_of
from training.personaemp.identity import Identity
from training.personaemp.manifest import BuildInfo
from training.personaemp.split import SplitRule
from training.preflight import check
from training.tiny import make_tiny_qwen3

CONFIGS = Path(__file__).parents[2] / "configs"
VERL_DEFAULTS = {
    "algorithm": {"adv_estimator": "gae", "use_kl_in_reward": False},
    "data": {
        "train_files": "", "val_files": "", "train_batch_size": 1024, "max_prompt_length": 512,
        "apply_chat_template_kwargs": {},
    },
    "actor_rollout_ref": {"model": {"path": "", "lora_rank": 0}},
    "reward": {
        "custom_reward_function": {"path": None, "name": None},
        "reward_manager": {"source": "register", "name": "naive", "module": {"path": None}},
    },
    "trainer": {
        "default_local_dir": "", "logger": [], "resume_mode": "auto", "rollout_data_dir": None,
        "validation_data_dir": None, "n_gpus_per_node": 8, "nnodes": 1, "total_training_steps": None,
        "v1": {"sampler": {"custom_sampler": {"path": None, "name": None}}},
    },
}  # fmt: skip


IDENTITY = Identity("set_for_runs", "00" * 32, datetime(2026, 1, 1, tzinfo=UTC))
PROMPT = (PromptMessage(role="user", content="I am tired."),)


def write(directory: Path, prompt: tuple[PromptMessage, ...] = PROMPT) -> Path:
    """Write a data set of sixty people."""
    with Writer.open(directory, IDENTITY) as writer:
        for one in examples(60, each=1):
            rulers = {name: tuple(ruler(name, n) for n in range(4)) for name in DIMENSIONS}
            writer.add(replace(one, prompt=prompt, criteria=rulers))
        writer.finish(SplitRule(ood=False), BuildInfo())
    return directory


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("made") / "data")


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_qwen3(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def config(tmp_path: Path, model: Path, dataset: Path) -> GrpoConfig:
    """A run that could begin but for its judge, whose port nobody listens on."""
    defaults = tmp_path / "env/lib/python3.11/site-packages/verl/trainer/config/_generated_ppo_trainer.yaml"
    defaults.parent.mkdir(parents=True)
    defaults.write_text(yaml.safe_dump(VERL_DEFAULTS), encoding="utf-8")
    (tmp_path / "judge.toml").write_text('[endpoint]\nmodel = "judge"\nbase_url = "http://127.0.0.1:9/v1"\n')
    attune = {
        "data": dataset, "judge": tmp_path / "judge.toml", "out": tmp_path / "out", "device": "cpu",
        "environment": tmp_path / "env", "accept_failed_judge": True,
    }  # fmt: skip
    verl = {"data": {"train_batch_size": 2}, "actor_rollout_ref": {"model": {"path": str(model)}}}
    return GrpoConfig.model_validate({"attune": attune, "verl": verl})


def changed(config: GrpoConfig, path: str, value: object) -> GrpoConfig:
    dumped = config.model_dump()
    node = dumped
    *parents, last = path.split(".")
    for name in parents:
        node = node.setdefault(name, {})
    node[last] = value
    return GrpoConfig.model_validate(dumped)


@pytest.mark.parametrize("name", ["grpo.yaml", "grpo-lora-1gpu.yaml", "grpo-smoke.yaml"])
def test_every_run_of_the_project_is_read_and_names_its_command(name: str) -> None:
    load_grpo_config(CONFIGS / name)
    assert f"attune-train grpo --config configs/{name}" in (CONFIGS / name).read_text(encoding="utf-8")


def judged_by(config: GrpoConfig, server: ScriptedServer) -> JudgeConfig:
    """Name a server's judge in the run; what its check finds lies beside its file."""
    report = config.attune.judge.with_name("check.json")
    config.attune.judge.write_text(
        f'rounds = 1\ntries = 1\n[endpoint]\nmodel = "scripted"\nbase_url = "{server.base_url}"\nretries = 0\n'
        f'reasks = 0\n[check]\nrepetitions = 2\nreport = "{report}"\n'
    )
    return load_judge_config(config.attune.judge)


async def test_with_a_judge_that_scores_nothing_is_wrong(config: GrpoConfig) -> None:
    async with ScriptedServer(default=grading(lambda *_: 0.5)) as server:
        judged_by(config, server)
        assert await asyncio.to_thread(check, config) == ()


async def test_a_judge_that_can_score_nothing_is_said_before_a_gpu_is_taken(config: GrpoConfig) -> None:
    async with ScriptedServer(default=reply("I would rather not say.")) as server:
        judged_by(config, server)
        [problem] = await asyncio.to_thread(check, config)
    assert "left all 3 trial replies" in problem and "attune-train judge-check" in problem


async def test_rows_without_rulers_are_said_before_a_gpu_is_taken(config: GrpoConfig, tmp_path: Path) -> None:
    with Writer.open(tmp_path / "bare", IDENTITY) as writer:
        for one in examples(30, each=1):
            writer.add(one)
        writer.finish(SplitRule(ood=False), BuildInfo())
    async with ScriptedServer(default=grading(lambda *_: 0.5)) as server:
        judged_by(config, server)
        [problem] = await asyncio.to_thread(check, changed(config, "attune.data", tmp_path / "bare"))
    assert "attune-train criteria" in problem


async def test_a_judge_that_rewards_everything_alike_is_said_before_a_gpu_is_taken(config: GrpoConfig) -> None:
    async with ScriptedServer(default=grading(lambda *_: 0.5)) as server:
        judge = judged_by(config, server)
        store(await run_check(judge, load_trials()[:1]), judge.check.report)
        [problem] = await asyncio.to_thread(check, config)
    assert "the same reward" in problem and "choose another judge" in problem


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("attune.data", "nowhere", "build the data set"),
        ("attune.judge", "nowhere.toml", "see configs/judge.toml"),
        ("verl.data.train_batchsize", 2, "train_batch_size was meant?"),
        ("verl.reward_model", {"enable": True}, "verl 0.9 ignores it"),
        ("verl.data.train_batch_size", 64, "does not fit into 54 rows"),
        ("verl.actor_rollout_ref.model.path", "./nowhere", "no model in"),
        ("verl.actor_rollout_ref.model.path", None, "no base model is named"),
        ("attune.environment", "nowhere", "make setup-train"),
    ],
)
def test_what_is_wrong_is_said_with_its_repair(config: GrpoConfig, path: str, value: object, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        train(changed(config, path, value))
    assert said in str(refused.value)
    assert not config.attune.out.exists()


def test_a_judge_that_does_not_answer_is_said(config: GrpoConfig) -> None:
    assert any("does not answer" in problem for problem in check(config))


def test_a_judge_that_was_never_checked_is_refused_unless_told_otherwise(config: GrpoConfig, tmp_path: Path) -> None:
    table = f"[check]\nreport = '{tmp_path / 'none.json'}'\n"
    config.attune.judge.write_text(config.attune.judge.read_text() + table)
    assert not any("never checked" in problem for problem in check(config))
    strict = changed(config, "attune.accept_failed_judge", False)
    assert any("never checked" in problem and "attune-train judge-check" in problem for problem in check(strict))


def test_prompts_that_do_not_fit_are_measured_and_never_cut(config: GrpoConfig, tmp_path: Path) -> None:
    long = write(tmp_path / "long", (PromptMessage(role="user", content="tired " * 900),))
    (problem,) = (one for one in check(changed(config, "attune.data", long)) if "max_prompt_length" in one)
    assert "512 are allowed" in problem


def test_a_model_without_a_tokenizer_is_said(config: GrpoConfig, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    bare = changed(config, "verl.actor_rollout_ref.model.path", str(tmp_path))
    assert any("the tokenizer of" in problem and "hf download" in problem for problem in check(bare))


def test_an_empty_split_is_said(config: GrpoConfig, tmp_path: Path) -> None:
    data = Path(shutil.copytree(config.attune.data, tmp_path / "copy"))
    pq.write_table(pq.read_table(path_of(data, "test")).slice(0, 0), path_of(data, "test"))
    assert any(
        "the split test" in problem and "empty" in problem for problem in check(changed(config, "attune.data", data))
    )


def test_a_data_set_that_was_changed_is_refused(config: GrpoConfig, tmp_path: Path) -> None:
    data = Path(shutil.copytree(config.attune.data, tmp_path / "copy"))
    shutil.copy(path_of(data, "test"), path_of(data, "train"))
    assert any("is not the file that was written" in problem for problem in check(changed(config, "attune.data", data)))


def test_too_little_memory_is_known_beforehand(config: GrpoConfig) -> None:
    small = changed(changed(config, "attune.device", "gpu"), "attune.gpu_gib", 0.001)
    assert any("GiB on each GPU" in problem for problem in check(small))
    assert not any("GiB" in problem for problem in check(changed(small, "attune.gpu_gib", 80.0)))


def test_the_command_names_the_data_the_reward_and_where_everything_goes(config: GrpoConfig, tmp_path: Path) -> None:
    said = command(config)
    assert said[:3] == [str(tmp_path / "env/bin/python"), "-m", "verl.trainer.main_ppo"]
    assert f"data.train_files={config.attune.data / 'train.parquet'}" in said
    assert "reward.custom_reward_function.path='pkg://training.reward'" in said
    assert "trainer.device=cpu" in said


def test_an_unknown_key_of_ours_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    path.write_text("attune: {data: a, judge: b, out: c, devise: cpu}\nverl: {}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"run\.yaml: attune\.devise: no such key; device was meant\?"):
        load_grpo_config(path)
