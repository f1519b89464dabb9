"""Insert a row unless a unique constraint says that it is there already, on SQLite and Postgres alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection


async def insert_new(connection: AsyncConnection, table: Table, values: Mapping[str, Any]) -> bool:
    """Insert `values` and say True, or leave the table as it is and say False when a unique constraint forbids it."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    result = await connection.execute(insert(table).values(**values).on_conflict_do_nothing())
    return result.rowcount == 1
