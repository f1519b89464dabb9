import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from memory.config import MemoryConfig
from memory.ids import new_id
from memory.ledger.ledger import Ledger
from tests.fakes.postgres_server import binaries, postgres


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with an empty, migrated ledger, to copy; migrating it for every test takes longer than the test."""
    home = tmp_path_factory.mktemp("empty") / "home"

    async def make() -> None:
        async with Ledger.open(MemoryConfig(home=home)):
            pass

    asyncio.run(make())
    return home


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str | None]:
    """A server for the ledger: one of the run's own with ATTUNE_TEST_POSTGRES=start, or the one whose URL that is."""
    wanted = os.environ.get("ATTUNE_TEST_POSTGRES")
    if wanted != "start":
        yield wanted
        return
    if binaries() is None:
        pytest.skip("Postgres is not installed: apt-get install postgresql")
    with postgres() as url:
        yield url


@pytest.fixture
async def memory_config(tmp_path: Path, postgres_url: str | None) -> AsyncIterator[MemoryConfig]:
    """A configuration with a home of its own, which does not exist yet.

    With ATTUNE_TEST_POSTGRES the ledger is a new database on a Postgres server.
    """
    server = postgres_url
    if server is None:
        yield MemoryConfig(home=tmp_path / "home")
        return
    name = new_id("test")
    engine = create_async_engine(server, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(text(f"CREATE DATABASE {name}"))
        url = engine.url.set(database=name).render_as_string(hide_password=False)
        yield MemoryConfig(home=tmp_path / "home", database_url=url)
        await connection.execute(text(f"DROP DATABASE {name}"))
    await engine.dispose()


@pytest.fixture
async def ledger(memory_config: MemoryConfig, empty_home: Path) -> AsyncIterator[Ledger]:
    """An opened, empty ledger on the real database."""
    shutil.copytree(empty_home, memory_config.home, dirs_exist_ok=True)
    async with Ledger.open(memory_config) as opened:
        yield opened
