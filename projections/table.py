"""Tables of projections: typed rows, written for a whole page in one statement each.

Every row names the shard whose events alone write it. So the rows are the same for every
interleaving of shards, and a shard can be compared and rebuilt by itself; readers add shards up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

import orjson
from django.db.backends.utils import CursorWrapper


class Row(Protocol):
    """A dataclass whose fields are the columns of a table."""

    shard: int


R = TypeVar("R", bound=Row)


class Table(Generic[R]):
    """One table whose columns are the fields of `row`; `key` are its unique columns."""

    def __init__(self, name: str, row: type[R], *, key: tuple[str, ...]) -> None:
        self.name = name
        self.row = row
        self.key = key
        names = [field.name for field in fields(row)]  # type: ignore[arg-type]  # a dataclass
        self._names = names
        self.columns = ", ".join(names)
        values = [name for name in names if name not in key]
        self._insert = (
            f"insert into {name} ({self.columns}) select {self.columns}"  # noqa: S608 constants
            f" from json_populate_recordset(null::{name}, %s::json)"
        )
        conflict = f" on conflict ({', '.join(key)}) do update set "
        self._replace = conflict + ", ".join(f"{name} = excluded.{name}" for name in values)
        self._add = conflict + ", ".join(
            f"{value} = {name}.{value} + excluded.{value}" for value in values
        )

    def insert(self, cursor: CursorWrapper, rows: Iterable[R]) -> None:
        """Insert `rows`; one that is there is a defect, and refused by the database."""
        self._write(cursor, rows, "")

    def replace(self, cursor: CursorWrapper, rows: Iterable[R]) -> None:
        """Insert `rows`, each in place of the one with its key."""
        self._write(cursor, rows, self._replace)

    def add(self, cursor: CursorWrapper, rows: Iterable[R]) -> None:
        """Add the values of `rows` to the ones with their keys, all of them numbers."""
        self._write(cursor, rows, self._add)

    def load(self, cursor: CursorWrapper, shard: int, ids: Iterable[UUID]) -> dict[UUID, R]:
        """Return the rows of `shard` whose `id` is among `ids`."""
        wanted = list(ids)
        if not wanted:
            return {}
        cursor.execute(
            f"select {self.columns}, id from {self.name}"  # noqa: S608 constants
            " where shard = %s and id = any(%s)",
            [shard, wanted],
        )
        return {values[-1]: self.build(values[:-1]) for values in cursor.fetchall()}

    def build(self, values: Sequence[Any]) -> R:
        """Return the row of `values`, one for each of `columns`."""
        return self.row(**dict(zip(self._names, values, strict=True)))

    def delete(self, cursor: CursorWrapper, shard: int, ids: Iterable[UUID]) -> None:
        """Delete the rows of `shard` whose `id` is among `ids`."""
        wanted = list(ids)
        if wanted:
            cursor.execute(
                f"delete from {self.name} where shard = %s and id = any(%s)",  # noqa: S608 constants
                [shard, wanted],
            )

    def _write(self, cursor: CursorWrapper, rows: Iterable[Any], conflict: str) -> None:
        listed = list(rows)
        if listed:
            cursor.execute(self._insert + conflict, [orjson.dumps(listed).decode()])
