"""`attune policies` and `attune serve-policy`: which trained policy answers.

They act on the ledger itself, whether a backend runs or not; backends follow within a second.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from assistant.config import load_config
from assistant.errors import AttuneError
from assistant.keyring import OPERATOR
from assistant.options import ConfigFile

if TYPE_CHECKING:
    from assistant.policies import Registry
    from assistant.rollout.spec import PolicySpec
    from assistant.wire import PolicyView
    from memory.ledger.ledger import Ledger

T = TypeVar("T")

app = typer.Typer(
    help="Which trained policy answers. The usual road: register, report, canary 5%, activate; and rollback.",
    no_args_is_help=True,
)
Version = Annotated[str, typer.Argument(help="From `attune policies list`.")]


@app.command("list")
def list_all(config: ConfigFile = None) -> None:
    """List the policies, their stages, and what people made of their replies."""

    async def work(registry: Registry, ledger: Ledger) -> list[PolicyView]:
        from assistant.policies import view

        usage = await ledger.policy_turns.usage()
        return [view(one, usage.get(one.policy.version)) for one in await registry.overview()]

    policies = _with(config, work)
    if not policies:
        typer.echo("no policy is registered: the configured model answers")
    for line in _table(policies):
        typer.echo(line)


@app.command("show")
def show(version: Version, config: ConfigFile = None) -> None:
    """Show everything that is known of a policy, as JSON."""

    async def work(registry: Registry, ledger: Ledger) -> dict[str, object]:
        from assistant.policies import view

        policy = await ledger.policies.get(version)
        one = next(one for one in await registry.overview() if one.policy.version == version)
        usage = (await ledger.policy_turns.usage()).get(version)
        people = await ledger.policies.people(version)
        seen = view(one, usage).model_dump(mode="json")
        return {**seen, "people": len(people), "details": dict(policy.details)}

    typer.echo(json.dumps(_with(config, work), indent=2, ensure_ascii=False))


@app.command("people")
def people(version: Version, config: ConfigFile = None) -> None:
    """List the ids of the people whose data a policy saw; who was erased since is in no list."""
    for person in _with(config, lambda _registry, ledger: ledger.policies.people(version)):
        typer.echo(person)


@app.command("register")
def register(
    source: Annotated[
        Path, typer.Argument(help="A .json or .toml that describes it, or a directory with attune_policy.json.")
    ],
    config: ConfigFile = None,
) -> None:
    """Register a candidate. See docs/policies.md for the fields."""
    from assistant.rollout.description import read_spec

    spec = read_spec(source)
    policy = _with(config, lambda registry, _ledger: registry.register(spec, OPERATOR))
    typer.echo(f"{policy.version} is a candidate")


@app.command("report")
def report(
    version: Version,
    evaluation: Annotated[Path | None, typer.Option(help="The JSON that attune-train evaluate wrote.")] = None,
    safety: Annotated[Path | None, typer.Option(help="The JSON of the safety gate.")] = None,
    config: ConfigFile = None,
) -> None:
    """Add a report to a policy, in place of an earlier one."""
    from assistant.rollout.description import read_report
    from assistant.rollout.reports import EvaluationReport, SafetyReport

    compared = read_report(evaluation, EvaluationReport) if evaluation else None
    screened = read_report(safety, SafetyReport) if safety else None
    if compared is None and screened is None:
        raise AttuneError("name a report: --evaluation FILE, --safety FILE")
    _with(
        config,
        lambda registry, _ledger: registry.report(version, OPERATOR, evaluation=compared, safety=screened),
    )
    typer.echo(f"noted for {version}")


@app.command("canary")
def canary(
    version: Version,
    share: Annotated[str, typer.Argument(help="Of the conversations, as 5%.")],
    config: ConfigFile = None,
) -> None:
    """Let a policy answer a share of the conversations; stopped by itself when it fails."""
    percent = _percent(share)
    _with(config, lambda registry, _ledger: registry.canary(version, percent, OPERATOR))
    typer.echo(f"{version} answers {percent:g}% of the conversations")


@app.command("activate")
def activate(version: Version, config: ConfigFile = None) -> None:
    """Let a policy answer everybody, if its gates are open; the one before stays loaded."""
    _with(config, lambda registry, _ledger: registry.activate(version, OPERATOR))
    typer.echo(f"{version} is live; attune policies rollback takes it back")


@app.command("rollback")
def rollback(
    reason: Annotated[str, typer.Option(help="For the audit.")] = "",
    config: ConfigFile = None,
) -> None:
    """Let the previous policy answer everybody again, at once and without asking any gate."""
    policy = _with(config, lambda registry, _ledger: registry.roll_back(OPERATOR, reason))
    typer.echo(f"{policy.version} is live")


@app.command("retire")
def retire(version: Version, config: ConfigFile = None) -> None:
    """Put a policy out of use and take it off its servers."""
    _with(config, lambda registry, _ledger: registry.retire(version, OPERATOR))
    typer.echo(f"{version} is retired")


def serve_policy(
    source: Annotated[str, typer.Argument(help="A registered version, or a directory with weights or an adapter.")],
    version: Annotated[str, typer.Option("--as", help="The new version, for a directory.")] = "",
    host: Annotated[str, typer.Option(help="Keep it private: vLLM has no notion of people.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    python: Annotated[Path | None, typer.Option(help="Of the environment with vLLM; .venv-serve's by default.")] = None,
    options: Annotated[list[str] | None, typer.Option("--vllm", help="An option for vLLM itself; repeatable.")] = None,
    config: ConfigFile = None,
) -> None:
    """Start vLLM with the right flags on a policy, register it once it answers, and stay until stopped.

    A directory is registered as a new candidate from its attune_policy.json. Stopping this command stops vLLM.

    Example: attune serve-policy runs/7/adapter --as p7 --port 8001
    """
    from assistant.rollout.vllm import serve

    async def known(_registry: Registry, ledger: Ledger) -> PolicySpec | None:
        from assistant.rollout.answering import spec_of
        from memory.errors import NotFoundError

        try:
            return spec_of(await ledger.policies.get(source))
        except NotFoundError:
            return None

    spec = _with(config, known)
    address = f"http://{host}:{port}/v1"
    is_new = spec is None
    if spec is None:
        from assistant.rollout.description import spec_of_directory

        spec = spec_of_directory(Path(source), version=version, replica=address)
    elif address not in spec.replicas:
        raise AttuneError(f"{source} is registered at {', '.join(spec.replicas)}: serve it there (--host, --port)")
    found = spec

    def ready(seconds: float) -> None:
        if is_new:
            _with(config, lambda registry, _ledger: registry.register(found, OPERATOR))
        said = f"registered as candidate {found.version}" if is_new else f"serves {found.version}"
        typer.echo(f"vLLM answers on {address} after {seconds:.0f} s; {said}. Ctrl-C stops it.")

    raise typer.Exit(serve(found, host, port, python=python, options=options or [], ready=ready))


def _with(config: Path | None, work: Callable[[Registry, Ledger], Awaitable[T]]) -> T:
    """Open the ledger and do the work."""
    from assistant.policies import Registry
    from memory.ledger.ledger import Ledger

    loaded = load_config(config)

    async def run() -> T:
        async with Ledger.open(loaded.memory_config) as ledger:
            return await work(Registry(ledger, loaded), ledger)

    return asyncio.run(run())


def _percent(share: str) -> float:
    try:
        percent = float(share.removesuffix("%"))
    except ValueError:
        percent = 0.0
    if not 0 < percent <= 100:
        raise AttuneError(f"{share!r} is no share: write it like 5%, more than 0 and at most 100")
    return percent


def _table(policies: list[PolicyView]) -> list[str]:
    """The policies in columns, for people."""
    rows: list[tuple[str, ...]] = [("VERSION", "STAGE", "KIND", "PRESET", "REPLIES", "UP", "DOWN", "AGAIN", "")]
    for one in policies:
        share = f" {one.canary_percent:g}%" if one.canary_percent is not None else ""
        notes = ["needs retraining: somebody in its data is erased"] if one.needs_retraining else []
        if one.stage in ("candidate", "canary"):
            notes += [f"{gate.gate}: {gate.reason}" for gate in one.closed_gates]
        used = one.usage
        counts = (used.replies, used.liked, used.disliked, used.regenerated)
        rows.append((one.version, one.stage + share, one.kind, one.preset, *map(str, counts), "; ".join(notes)))
    if len(rows) == 1:
        return []
    widths = [max(len(row[column]) for row in rows) for column in range(8)]
    return ["  ".join([*(f"{row[i]:<{widths[i]}}" for i in range(8)), row[8]]).rstrip() for row in rows]
