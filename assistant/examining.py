"""`attune doctor` and `attune models`: what is there, what works, and the repair where it does not."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx

from assistant.config import AssistantConfig
from assistant.errors import AttuneError
from assistant.models.auto import choose, chosen, found, open_policy
from assistant.owner import FILE as KEY_FILE
from assistant.owner import owner_key
from assistant.remote import Remote, envelope_error, running
from assistant.runtime import Runtime, open_runtime
from assistant.safety.learned import encoder, weights
from assistant.safety.resources import entries_older_than
from memory.agreement import Agreement, agreement
from memory.errors import MemoryLayerError
from memory.stock import REPAIR

MIN_FREE_BYTES = 1 << 30
_HEALTH_S = 10.0
_PATIENCE_S = 600.0
"""For a backend that compares the index of many people."""
MAX_AGE_DAYS = 365
"""Of an entry in the directory of crisis lines."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    ok: bool
    detail: str


async def examine(config: AssistantConfig, remote: Remote | None) -> list[Finding]:
    """Look at everything; through the running backend where one holds the data directory."""
    home = config.memory_config.home
    findings = [Finding("data directory", True, str(home)), _disk(home), _owner(home), _crisis_lines(), _learned()]
    url = remote.url if remote is not None else running(home)
    if url is not None:
        return findings + _running(url, remote.key if remote is not None else _given_key(config), home)
    try:
        async with open_runtime(config) as runtime:
            findings += await _opened(runtime)
    except (MemoryLayerError, AttuneError) as error:
        findings.append(Finding("opening", False, str(error)))
    return findings


def _given_key(config: AssistantConfig) -> str:
    return config.owner_key.get_secret_value() if config.owner_key is not None else ""


def _running(url: str, key: str, home: Path) -> list[Finding]:
    """What the backend says that holds the data directory; the index is open to nobody else."""
    with Remote(url, key).client(_PATIENCE_S) as client:
        try:
            health = client.get("/readyz", timeout=_HEALTH_S).json()
        except (httpx.HTTPError, ValueError) as error:
            return [Finding("backend", False, f"it ran at {url} and does not answer: {error}. Repair: start it again")]
        findings = [Finding("backend", True, f"runs at {url}")]
        findings += [Finding(name, state in ("ok", "starting"), state) for name, state in health["checks"].items()]
        why = "no key of the local owner is at hand"
        if key:
            try:
                answer = client.get("/v1/admin/index")
            except httpx.HTTPError as error:
                return [*findings, Finding("index", False, f"not compared: the backend at {url} went away: {error}")]
            if answer.status_code == 200:
                return [*findings, _index(Agreement(**answer.json()))]
            why = str(envelope_error(answer))
    repair = f"Repair: give ATTUNE_OWNER_KEY the key with which the backend was started, or restore {home / KEY_FILE}"
    return [*findings, Finding("index", False, f"not compared, for only the backend may open it: {why}. {repair}")]


async def _opened(runtime: Runtime) -> list[Finding]:
    findings = [Finding("ledger", True, "opened, migrations applied")]
    try:
        await runtime.embedder.ready()
        identity = runtime.embedder.identity
        findings.append(Finding("embedder", True, f"{identity.name}, {identity.dimension} dimensions"))
    except MemoryLayerError as error:
        findings.append(Finding("embedder", False, str(error)))
    try:
        findings.append(_index(await agreement(runtime.ledger, runtime.index)))
    except MemoryLayerError as error:
        findings.append(Finding("index", False, str(error)))
    try:
        await runtime.policy.check()
        findings.append(Finding("policy", True, runtime.policy.identity.description))
    except AttuneError as error:
        findings.append(Finding("policy", False, error.message))
    counts = await runtime.ledger.jobs.counts()
    findings.append(
        Finding("jobs", not counts.get("failed"), ", ".join(f"{k} {v}" for k, v in counts.items()) or "none")
    )
    return findings


def _index(found: Agreement) -> Finding:
    detail = f"{found.facts} facts, {found.missing} missing from the index, {found.orphaned} orphaned in it"
    if found.unreadable:
        detail += f", the index of {found.unreadable} people cannot be read"
    if found.settling:
        detail += f"; of {found.settling} people something is still being learned or forgotten"
    return Finding("index", found.whole, detail if found.whole else f"{detail}. {REPAIR}")


def _disk(home: Path) -> Finding:
    place = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(place).free
    return Finding("disk", free >= MIN_FREE_BYTES, f"{free / (1 << 30):.1f} GiB free")


def _crisis_lines() -> Finding:
    old = entries_older_than(MAX_AGE_DAYS)
    named = ", ".join(f"{entry.country} {entry.checked or 'never'}" for entry in old[:5])
    detail = f"{len(old)} entries were last checked over a year ago: {named}" if old else "all checked within a year"
    return Finding("crisis lines", not old, detail)


def _learned() -> Finding:
    try:
        manifest = weights().manifest
        encoder()
    except Exception as error:
        repair = "every message counts as concern until it can. Repair: install again"
        return Finding("learned screen", False, f"cannot be read ({error}); {repair}")
    return Finding("learned screen", True, f"fitted to {manifest['lines']:,} lines")


def _owner(home: Path) -> Finding:
    if owner_key(home) is None:
        return Finding("owner key", True, "none yet; the first start makes it")
    mode = (home / "owner.key").stat().st_mode & 0o777
    private = os.name == "nt" or mode & 0o077 == 0
    return Finding("owner key", private, "private" if private else f"readable by others ({mode:o}): chmod 600 it")


async def describe_models(config: AssistantConfig) -> list[str]:
    """Say what was found and what would answer."""
    lines = [
        f"{candidate.name}  {candidate.description}"
        + ("  (text leaves this machine)" if candidate.leaves_machine else "")
        for candidate in await found(config)
    ]
    model = await open_policy(config)
    try:
        try:
            await model.check()
        except AttuneError as error:
            return [*lines, f"would answer, but cannot now: {error.message}"]
        return [*lines, f"answers now: {model.identity.description}"]
    finally:
        await model.aclose()


async def choose_model(config: AssistantConfig, name: str, agree: Callable[[str], bool]) -> str:
    """Note the person's choice, after their yes where text would leave the machine.

    Raises:
        AttuneError: nothing of that name was found.
    """
    home = config.memory_config.home
    candidates = {candidate.name: candidate for candidate in await found(config)}
    if name not in candidates:
        raise AttuneError(f"no model {name!r}; found: {', '.join(candidates) or 'none'}")
    if candidates[name].leaves_machine and not agree(candidates[name].description):
        return f"nothing changed; {chosen(home) or 'the automatic choice'} stays"
    choose(home, name)
    return f"{name} answers from the next start on"
