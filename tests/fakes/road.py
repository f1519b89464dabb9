"""A small retraining: people with histories in a running backend, and every configuration over a scripted server."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import yaml

from memory.ids import new_id

POLICIES = "/v1/admin/policies"
SILENT = "silent"
"""Who does not agree."""

HISTORIES = (
    ("My sister and I don't talk these days.", "Her birthday is on Sunday. What could I write on the card?"),
    ("My best friend moved to Canada.", "I would like to plan a visit with her. How do I bring it up?"),
    ("I moved to Lisbon last spring.", "The new neighbours invited me to dinner. What do people bring here?"),
    ("My mother lives in Porto.", "She wants to learn how to use video calls. How do I explain them?"),
    ("I graduated in 2019.", "My old classmates plan a picnic. How do I say that I come later?"),
    ("I've been to Japan twice.", "A colleague asks me for tips. Where should I begin?"),
    ("My boss never thanks anybody.", "How do I ask for a short talk about the next project?"),
    ("My dog is called Biscuit.", "He barks at the postman. What would you try first?"),
    ("I have two kids.", "They want to choose the next holiday. How do we decide together?"),
)
"""What each person says: something that is learned, and something they ask; no screen must take it for a crisis."""


def history(names: Iterable[str]) -> bytes:
    """JSON lines that bring these people in, each with a conversation of their own."""
    lines = []
    for name, said in zip(names, HISTORIES, strict=False):
        for text in said:
            lines.append({"user": name, "conversation": f"of {name}", "role": "user", "content": text})
            lines.append(
                {"user": name, "conversation": f"of {name}", "role": "assistant", "content": "That sounds hard."}
            )
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def write(directory: Path, server: str, train: dict[str, Any], policies: str, **rollout: Any) -> Path:
    """Write every file of a road whose models are at `server` and whose policies at `policies`; return the road's.

    `rollout` is what else stands in that table; it may name other `servers`.
    """
    endpoint = f'base_url = "{server}"\nmodel = "scripted"\nretries = 0\n'
    files = {
        "dataset.toml": f'out = "unused"\n[sources]\nledger = true\n[builder]\n{endpoint}[stages]\nsituations = 1\n'
        "real_queries = 1\n[prompt]\ncontext_tokens = 4096\nmax_reply_tokens = 32\n"
        "[split]\nood = false\ntest_share = 0.3\nmin_test_people = 2\n",
        "judge.toml": f'rounds = 2\ncalls = "all_in_one"\n[endpoint]\n{endpoint}[criteria]\nsize = 2\n'
        f'[criteria.endpoint]\n{endpoint}[check]\nrepetitions = 2\nreport = "{directory / "judge-check.json"}"\n'
        f'[limits]\nslots_dir = "{directory / "slots"}"\n',
        "train.yaml": yaml.safe_dump(train),
        "evaluate.toml": 'dataset = "unused"\nsplits = ["test"]\nbaseline = "base"\n'
        f'[criteria]\n[criteria.endpoint]\nbase_url = "{server}"\nmodel = "another"\n'
        f'[judges.main.judge]\nrounds = 1\ncalls = "all_in_one"\n[judges.main.judge.endpoint]\n{endpoint}'
        f'[policies.base]\ncontext_tokens = 4096\n[policies.base.endpoint]\nbase_url = "{policies}"\n'
        'model = "tiny"\nmax_tokens = 32\ntemperature = 0\nseeded = false\n',
        "retrain.toml": f'work = "{directory / "work"}"\nattune = "{directory / "attune.toml"}"\n'
        f'data = "{directory / "dataset.toml"}"\njudge = "{directory / "judge.toml"}"\n'
        f'train = "{directory / "train.yaml"}"\nevaluate = "{directory / "evaluate.toml"}"\n'
        "[rollout]\n"
        + "".join(f"{name} = {json.dumps(value)}\n" for name, value in {"servers": [policies], **rollout}.items()),
    }
    files["attune.toml"] = (
        f'home = "{directory / "home"}"\ndiscover = false\n[reflect]\nengine = "builtin"\n'
        f'[policy]\nengine = "openai_compatible"\nbase_url = "{policies}"\nmodel = "tiny"\ncontext_tokens = 4096\n'
        "max_tokens = 32\ntemperature = 0\n[server]\nmessages_per_minute = 0\n"
        "[policies]\nevaluation_pairs = 2\nevaluation_margin = 1.0\nevaluation_unscored = 1.0\ncanary_turns = 2\n"
    )
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")
    return directory / "retrain.toml"


def bring_in(operator: httpx.Client, url: str) -> dict[str, str]:
    """Bring people in with their histories and have all but one agree; return the ids of those who did, by name."""
    names = [f"person-{number}" for number in range(len(HISTORIES) - 1)]
    with operator.stream("POST", "/v1/admin/import/jsonl", content=history([*names, SILENT])) as answer:
        *_, summary = answer.raise_for_status().iter_lines()
    assert json.loads(summary)["people"] == len(HISTORIES), summary
    listed = ask(operator, "GET", "/v1/admin/users?limit=200")["data"]
    people = {str(one["external_id"]): str(one["id"]) for one in listed if one["external_id"] in names}
    for person in people.values():
        key = ask(operator, "POST", "/v1/admin/keys", {"kind": "user", "person_id": person})["secret"]
        with httpx.Client(base_url=url, headers={"authorization": f"Bearer {key}"}, trust_env=False) as client:
            ask(client, "PATCH", "/v1/me/settings", {"training": True})
    return people


def ask(client: httpx.Client, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """Ask the backend, which must not refuse."""
    answer = client.request(method, path, json=body)
    assert answer.status_code < 300, answer.text
    found: dict[str, Any] = answer.json()
    return found


def begin(client: httpx.Client) -> str:
    """Begin a conversation."""
    return str(ask(client, "POST", "/v1/conversations", {})["id"])


def reply(client: httpx.Client, conversation: str) -> str:
    """Say something new and return the version that answered; random weights may need several tries for a word."""
    for _ in range(10):
        answer = client.post(f"/v1/conversations/{conversation}/messages", json={"content": f"And? {new_id('msg')}"})
        if answer.status_code == 200:
            return str(answer.json()["policy_version"])
        assert answer.json()["error"]["code"] == "model_garbled", answer.text
    raise AssertionError("not a word in ten tries")


def policy(operator: httpx.Client, version: str) -> dict[str, Any]:
    """What operators see of a policy."""
    found: dict[str, Any] = ask(operator, "GET", f"{POLICIES}/{version}")["policy"]
    return found


def seen_by(operator: httpx.Client, version: str) -> set[str]:
    """Whose data a policy saw."""
    return set(ask(operator, "GET", f"{POLICIES}/{version}/people")["data"])


def counted(operator: httpx.Client, version: str, turns: int) -> None:
    """Wait until the backend has written down what its canary answered."""
    for _ in range(2000):
        if ask(operator, "GET", f"{POLICIES}/{version}")["canary"]["answered"] >= turns:
            return
    raise AssertionError("the canary's turns were not counted")


def retrain(config: Path, *more: str, status: int = 0) -> str:
    """Run the command to its end and return everything it said."""
    command = [sys.executable, "-m", "training.cli", "retrain", "--config", str(config), *more]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    told = done.stdout.decode()
    assert done.returncode == status, told[-6000:]
    return told
