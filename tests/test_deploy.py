"""configs/deploy: every file parses, holds to its schema, names keys that exist, and keeps to what it promises."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml
from pydantic import BaseModel

from assistant.config import AssistantConfig, load_config
from assistant.errors import ConfigError

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "configs/deploy"
COMPOSE = DEPLOY / "compose.yaml"
MANIFESTS = sorted(path for path in (DEPLOY / "kubernetes").glob("*.yaml") if path.name != "kustomization.yaml")
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
DOCKERFILES = sorted(DEPLOY.glob("Dockerfile.*"))
TOKENS = {"ATTUNE_HOME", "ATTUNE_CONFIG", "ATTUNE_CHROMA_TOKEN", "ATTUNE_CLUSTER_PEOPLE", "ATTUNE_CLUSTER_PARTS"}
"""Variables that are no keys of the configuration."""
OPEN_PORT = 8300


def exists(variable: str) -> bool:
    """Whether a variable of the environment sets something, by itself or through a file."""
    if variable.removesuffix("_FILE") in TOKENS:
        return True
    model: Any = AssistantConfig
    for part in variable.removeprefix("ATTUNE_").removesuffix("_FILE").lower().split("__"):
        if not (isinstance(model, type) and issubclass(model, BaseModel)) or part not in model.model_fields:
            return False
        model = model.model_fields[part].annotation
    return True


def variables(text: str) -> set[str]:
    """The variables of Attune that a text names."""
    return set(re.findall(r"\bATTUNE_[A-Z][A-Z_]*[A-Z]\b", text))


def documents(path: Path) -> Iterator[dict[str, Any]]:
    yield from (one for one in yaml.safe_load_all(path.read_text(encoding="utf-8")) if one)


def containers() -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Each container of the manifests, with the pod it is in."""
    for path in MANIFESTS:
        for one in documents(path):
            pod: dict[str, Any] = (one.get("spec", {}).get("template") or {}).get("spec") or {}
            for container in pod.get("containers", []):
                yield f"{path.name} {container['name']}", pod, container


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services of the compose file."""
    found: dict[str, Any] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    return found


def test_every_variable_that_is_named_sets_something() -> None:
    texts = [path.read_text(encoding="utf-8") for path in (COMPOSE, *MANIFESTS, *UNITS, *DOCKERFILES)]
    texts += [(ROOT / name).read_text(encoding="utf-8") for name in ("docs/deployment.md", "configs/cluster.toml")]
    named = set().union(*map(variables, texts))
    assert "ATTUNE_MEMORY__DATABASE_URL_FILE" in named
    assert [one for one in sorted(named) if not exists(one)] == []


def test_the_configuration_of_the_manifests_loads_and_is_that_of_clusters_with_other_addresses() -> None:
    here, there = load_config(ROOT / "configs/cluster.toml"), load_config(DEPLOY / "kubernetes/cluster.toml")
    assert (here.server, here.reflect, here.memory.reflection) == (there.server, there.reflect, there.memory.reflection)
    assert not there.server.worker
    assert there.memory.database_url is None, "it comes from a file"


def test_a_secret_is_read_from_the_file_that_a_variable_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ATTUNE_POLICY__API_KEY", "ATTUNE_MEMORY__DATABASE_URL", "ATTUNE_OWNER_KEY"):
        (tmp_path / name).write_text(f"of {name}\n", encoding="utf-8")
        monkeypatch.setenv(f"{name}_FILE", str(tmp_path / name))
    config = load_config()
    assert config.policy.api_key is not None and config.owner_key is not None
    assert config.policy.api_key.get_secret_value() == "of ATTUNE_POLICY__API_KEY"
    assert config.owner_key.get_secret_value() == "of ATTUNE_OWNER_KEY"
    assert config.memory.database_url == "of ATTUNE_MEMORY__DATABASE_URL"
    monkeypatch.setenv("ATTUNE_OWNER_KEY_FILE", str(tmp_path / "gone"))
    with pytest.raises(ConfigError, match=r"ATTUNE_OWNER_KEY_FILE names .*gone, which cannot be read"):
        load_config()


def test_compose_opens_the_apis_port_to_this_machine_and_no_other(services: dict[str, Any]) -> None:
    ports = {name: one["ports"] for name, one in services.items() if one.get("ports")}
    assert ports == {"backend": [f"127.0.0.1:{OPEN_PORT}:{OPEN_PORT}"]}
    assert set(services) == {"backend", "worker", "postgres", "chroma", "vllm"}


def test_compose_runs_nothing_as_root_and_each_service_says_how_it_is(services: dict[str, Any]) -> None:
    for name, one in services.items():
        user, group = one["user"].split(":")
        assert int(user) > 0 and int(group) > 0, name
        assert one["healthcheck"]["test"][0] == "CMD", name
        assert one["read_only"] is True and one["cap_drop"] == ["ALL"], name
        assert one["security_opt"] == ["no-new-privileges:true"], name
        assert one["restart"] == "unless-stopped", name


def test_compose_gives_secrets_by_file_and_holds_none(services: dict[str, Any]) -> None:
    whole = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    assert {name: one["file"] for name, one in whole["secrets"].items()} == {
        name: f"./secrets/{name}" for name in ("database_url", "owner_key", "vllm_api_key", "postgres_password")
    }
    for name, one in services.items():
        for variable, value in one.get("environment", {}).items():
            if re.search("KEY|PASSWORD|TOKEN|SECRET|DATABASE_URL", variable):
                assert variable.endswith("_FILE"), f"{name} {variable}"
                assert value.removeprefix("/run/secrets/") in one["secrets"], f"{name} {variable}"


def test_every_image_and_base_is_pinned(services: dict[str, Any]) -> None:
    bases = [line.split()[1] for path in DOCKERFILES for line in _lines(path) if line.startswith("FROM ")]
    for image in (*(one["image"] for one in services.values()), *bases):
        assert re.search(r":v?\d+\.\d+(\.\d+)?", image), image
    for path in DOCKERFILES:
        for package in re.findall(r"pip install ([^&\\\n]*)", path.read_text(encoding="utf-8")):
            assert "==" in package or "-c configs/constraints.txt" in package, f"{path.name}: {package}"
        if path.suffix != ".vllm":
            version = re.findall(r"(?:chromadb|torch)==([\d.]+)", path.read_text(encoding="utf-8"))
            assert all(f"=={one}\n" in (ROOT / "configs/constraints.txt").read_text("utf-8") for one in version)


def test_every_image_runs_as_the_user_that_compose_and_the_manifests_name(services: dict[str, Any]) -> None:
    users = {path.suffix[1:]: _lines(path)[_last_user(path)].split()[1] for path in DOCKERFILES}
    assert all(int(user.split(":")[0]) >= 10000 for user in users.values())
    assert services["backend"]["user"] == services["worker"]["user"] == users["attune"]
    assert (services["chroma"]["user"], services["vllm"]["user"]) == (users["chroma"], users["vllm"])
    for where, pod, container in containers():
        image = container["image"].removeprefix("attune-")
        if image in users:
            assert str(pod["securityContext"]["runAsUser"]) == users[image].split(":")[0], where


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def _last_user(path: Path) -> int:
    lines = _lines(path)
    return max(at for at, line in enumerate(lines) if line.startswith("USER "))


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_every_manifest_holds_to_kubernetes_schema(path: Path) -> None:
    for one in documents(path):
        kubernetes_validate.validate(one, "1.33", strict=True)


def test_every_container_is_restricted_probed_and_limited() -> None:
    found = list(containers())
    assert len(found) == 6
    for where, pod, container in found:
        assert pod["securityContext"]["runAsNonRoot"] is True and pod["securityContext"]["runAsUser"] > 0, where
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, where
        assert pod["automountServiceAccountToken"] is False, where
        secure = container["securityContext"]
        assert not secure["allowPrivilegeEscalation"] and secure["readOnlyRootFilesystem"], where
        assert secure["capabilities"] == {"drop": ["ALL"]}, where
        assert {"readinessProbe", "livenessProbe"} <= set(container), where
        assert "memory" in container["resources"]["limits"], where


def test_only_the_backends_may_be_reached_from_outside() -> None:
    policies = [one for path in MANIFESTS for one in documents(path) if one["kind"] == "NetworkPolicy"]
    opened = [
        (one["metadata"]["name"], rule["ports"])
        for one in policies
        for rule in one["spec"].get("ingress", [])
        if "from" not in rule
    ]
    assert opened == [("backend", [{"port": OPEN_PORT}])]
    assert {one["metadata"]["name"] for one in policies} >= {"nothing", "postgres", "chroma", "vllm", "router"}
    types = [one["spec"].get("type") for path in MANIFESTS for one in documents(path) if one["kind"] == "Service"]
    assert set(types) == {None}


def test_the_kustomization_names_every_manifest_and_pins_every_image() -> None:
    [whole] = documents(DEPLOY / "kubernetes/kustomization.yaml")
    assert sorted(whole["resources"]) == [path.name for path in MANIFESTS]
    pinned = {one["name"] for one in whole["images"]}
    for where, _, container in containers():
        image = container["image"]
        assert image in pinned or re.search(r":\d+\.\d+", image), where


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_every_unit_is_hardened_and_runs_as_a_user_of_its_own(path: Path) -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[method-assign, assignment]
    unit.read(path, encoding="utf-8")
    service = unit["Service"]
    assert service["User"] not in ("", "root")
    assert service["Restart"] == "always"
    hardened = {"NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes", "CapabilityBoundingSet": ""}
    assert {name: service[name] for name in hardened} == hardened
    program = service["ExecStart"].split()[0].removeprefix("/srv/attune/")
    assert program.startswith(".venv/bin/") or (ROOT / program).is_file()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_nothing_wrong_but_that_the_programs_are_not_installed() -> None:
    said = subprocess.run(
        ["systemd-analyze", "verify", *map(str, UNITS)], capture_output=True, text=True, timeout=120, check=False
    ).stderr
    ours = [line for line in said.splitlines() if re.match(r"(\S*/)?(attune|vllm)\S*(\.service)?[: ]", line)]
    assert [line for line in ours if "is not executable" not in line] == []


def test_the_secrets_are_made_once_and_fit_each_other(tmp_path: Path) -> None:
    command = ["sh", str(DEPLOY / "make-secrets.sh"), str(tmp_path)]
    subprocess.run(command, check=True, timeout=60)
    first = {path.name: path.read_text(encoding="ascii") for path in tmp_path.iterdir()}
    subprocess.run(command, check=True, timeout=60)
    assert {path.name: path.read_text(encoding="ascii") for path in tmp_path.iterdir()} == first
    assert set(first) == {"database_url", "owner_key", "postgres_password", "vllm_api_key"}
    assert f":{first['postgres_password']}@postgres:5432/" in first["database_url"]
    assert len(first["owner_key"]) >= 32
    assert tmp_path.stat().st_mode & 0o077 == 0
