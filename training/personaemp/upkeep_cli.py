"""`attune-train data fetch` and `data check`: what a data set is built from, and whether one may be trained on."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from training.personaemp.manifest import Manifest


class PublicName(StrEnum):
    """The public data sets that can be fetched."""

    ALPSBENCH = "alpsbench"
    EMOBENCH = "emobench"
    EQBENCH3 = "eqbench3"


def fetch_set(
    name: Annotated[PublicName, typer.Argument(help="Which public data set.", show_default=False)],
    out: Annotated[Path | None, typer.Option(help="Where to; by default data/<name>.", show_default=False)] = None,
    mirror: Annotated[
        str | None, typer.Option(help="Base address of a mirror; the pinned hashes stay the same.", show_default=False)
    ] = None,
) -> None:
    """Get a public data set at its pinned revision; what is there already is only checked.

    Every file is checked by its SHA-256, and a transfer that was cut short goes on where it stopped. On a machine
    without the internet copy the files to where the error names them, and run the command again.

    Example: attune-train data fetch alpsbench --out data/alpsbench
    """
    from assistant.progress import bar
    from memory.errors import MemoryLayerError
    from training.errors import TrainingError
    from training.personaemp.fetch import fetch, join_alpsbench, public_sets

    directory = out or Path("data") / name.value
    wanted = public_sets()[name.value]
    typer.echo(f"{wanted.terms}. {len(wanted.files)} files, {sum(one.bytes for one in wanted.files) / 1e6:.1f} MB")
    try:
        with bar() as show:
            paths = fetch(
                wanted,
                directory,
                base=mirror,
                show=lambda one: show({"phase": one.path.name, "done": one.done, "total": one.total}),
            )
        if name is PublicName.ALPSBENCH:
            paths.append(join_alpsbench(directory))
    except (TrainingError, MemoryLayerError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    for path in paths:
        typer.echo(str(path))


def check_set(
    dataset: Annotated[Path, typer.Argument(help="A directory that `data build` wrote.", show_default=False)],
    config: Annotated[
        Path | None,
        typer.Option(help="Configuration of the backend whose ledger it was built from.", show_default=False),
    ] = None,
) -> None:
    """Say whether a data set may be trained on: whole, and with no row that somebody has taken back.

    Rows are marked when a person forgets what they rest on, withdraws the consent to training, or is erased. A data
    set with marked rows is refused with exit code 1 until it is built anew.

    Example: attune-train data check data/personaemp
    """
    from assistant.errors import AttuneError
    from memory.errors import MemoryLayerError
    from training.errors import TrainingError

    try:
        manifest = asyncio.run(_checked(dataset, config))
    except (TrainingError, MemoryLayerError, AttuneError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{dataset} may be trained on: {manifest.rows} rows of {manifest.people} people, none taken back")


async def _checked(dataset: Path, config: Path | None) -> Manifest:
    from assistant.config import load_config
    from memory.ledger.ledger import Ledger
    from training.personaemp.check import check_dataset, check_files

    if check_files(dataset).build.consent is None:
        return await check_dataset(dataset, None)
    async with Ledger.open(load_config(config).memory_config) as ledger:
        return await check_dataset(dataset, ledger)
