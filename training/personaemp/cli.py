"""`attune-train data`: from collected conversations to a data set."""

from __future__ import annotations

import typer

from training.personaemp.build_cli import build_set, inspect_set
from training.personaemp.upkeep_cli import check_set, fetch_set

data = typer.Typer(help="Build data sets from what people said, with their consent.", no_args_is_help=True)
data.command("build")(build_set)
data.command("inspect")(inspect_set)
data.command("fetch")(fetch_set)
data.command("check")(check_set)
