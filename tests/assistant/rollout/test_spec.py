import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from assistant.config import ModelConfig
from assistant.errors import ConfigError
from assistant.prompt import prompt_hash
from assistant.rollout.description import read_report, read_spec, spec_of_directory
from assistant.rollout.reports import EvaluationReport
from assistant.rollout.spec import fingerprint
from tests.fakes import policies

URL = "http://127.0.0.1:9/v1"


def test_a_lora_is_served_under_a_name_that_holds_its_version(tmp_path: Path) -> None:
    assert policies.spec("p7", tmp_path, URL).served_name == "attune-p7"
    with pytest.raises(ValidationError, match="must hold the version"):
        policies.spec("p7", tmp_path, URL, served_name="latest")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"version": "configured"}, "means the configured model"),
        ({"version": "../x"}, "pattern"),
        ({"path": None}, "needs path"),
        ({"replicas": []}, "at least 1"),
        ({"replicas": ["ftp://x"]}, "not an address"),
        ({"replicas": ["http://me:secret@x/v1"]}, "password"),
        ({"unknown": 1}, "Extra inputs"),
    ],
)
def test_what_cannot_be_served_is_refused(tmp_path: Path, change: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        policies.spec("p7", tmp_path, URL).model_validate(
            {**policies.spec("p7", tmp_path, URL).model_dump(mode="json"), **change}
        )


def test_what_a_policy_does_not_say_is_as_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configured = ModelConfig(base_url="http://elsewhere/v1", model="other", temperature=0.5, max_tokens=99)
    monkeypatch.setenv("REPLICA_KEY", "hush")
    spec = policies.spec("p7", tmp_path, URL, preset="paper", temperature=0.9, api_key_env="REPLICA_KEY")
    role = spec.model_config_for(URL, configured)
    assert (role.base_url, role.model, role.preset, role.temperature) == (URL, "attune-p7", "paper", 0.9)
    assert role.max_tokens == 99
    assert role.api_key is not None and role.api_key.get_secret_value() == "hush"
    assert "hush" not in spec.model_dump_json()
    monkeypatch.delenv("REPLICA_KEY")
    with pytest.raises(ConfigError, match="REPLICA_KEY is not set"):
        spec.model_config_for(URL, configured)


def test_the_hash_knows_names_and_contents_and_leaves_out_the_description(tmp_path: Path) -> None:
    one = policies.adapter(tmp_path / "one", "weights")
    two = policies.adapter(tmp_path / "two", "weights")
    assert fingerprint(one) == fingerprint(two)
    (two / "attune_policy.json").write_text("{}", encoding="utf-8")
    assert fingerprint(one) == fingerprint(two)
    (two / "adapter_model.safetensors").rename(two / "model.safetensors")
    assert fingerprint(one) != fingerprint(two)
    with pytest.raises(ConfigError, match="holds no files"):
        fingerprint(tmp_path / "three")


def test_a_directory_of_training_describes_itself(tmp_path: Path) -> None:
    directory = policies.adapter(tmp_path / "run", "weights")
    (directory / "adapter_config.json").write_text(
        json.dumps({"base_model_name_or_path": "Qwen/Qwen3-8B", "r": 16}), encoding="utf-8"
    )
    described = {"preset": "paper", "prompt_hash": prompt_hash("paper"), "lineage": {"data_manifest": "m1"}}
    (directory / "attune_policy.json").write_text(json.dumps(described), encoding="utf-8")
    spec = spec_of_directory(directory, version="p3", replica=URL)
    assert (spec.version, spec.kind, spec.base, spec.replicas) == ("p3", "lora", "Qwen/Qwen3-8B", (URL,))
    assert (spec.lineage.data_manifest, spec.sha256) == ("m1", fingerprint(directory))
    unnamed = spec_of_directory(directory, version="", replica=URL)
    assert unnamed.version == f"p-{fingerprint(directory)[:10]}"


def test_files_that_describe_nothing_are_refused_with_the_field(tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    with pytest.raises(ConfigError, match="cannot read"):
        read_spec(file)
    file.write_text('version = "p1"\nkind = "full"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"p\.toml.*base: Field required"):
        read_spec(file)
    with pytest.raises(ConfigError, match="neither a registered version nor a directory"):
        spec_of_directory(tmp_path / "none", version="", replica=URL)
    report = tmp_path / "report.json"
    values = {**policies.evaluation(file, "p1"), "difference": {"mean": 2, "low": 0, "high": 1}}
    report.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(ConfigError, match="must stand in this order"):
        read_report(report, EvaluationReport)
