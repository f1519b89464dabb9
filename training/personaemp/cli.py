"""`attune-train data`: from collected conversations to a data set."""

from __future__ import annotations

import typer

from training.personaemp.upkeep_cli import check_set, fetch_set

data = typer.Typer(help="Build data sets from what people said, with their consent.", no_args_is_help=True)
data.command("fetch")(fetch_set)
data.command("check")(check_set)
