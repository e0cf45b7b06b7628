"""A table belongs to the package that makes it: no other package writes it (design section 4)."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGES = ("core", "ledger", "projections", "consumers", "api", "audit")
MADE = re.compile(r"\bcreate (?:unlogged )?table (\w+)|\"?db_table\"?\s*[:=]\s*\"(\w+)\"", re.I)
WRITTEN = re.compile(r"\b(?:insert into|update|delete from|truncate(?: table)?) (\w+)", re.I)


def sources(package: str) -> list[str]:
    files = (REPOSITORY / package).rglob("*")
    return [path.read_text() for path in files if path.suffix in (".py", ".sql")]


def made_by(package: str) -> set[str]:
    return {one or other for text in sources(package) for one, other in MADE.findall(text)}


OWNERS = {table: package for package in PACKAGES for table in made_by(package)}


def test_every_table_has_one_owner() -> None:
    assert len(OWNERS) == sum(len(made_by(package)) for package in PACKAGES)
    assert {OWNERS[name] for name in ("event", "balance")} == {"ledger"}
    assert OWNERS["person_key"] == "core"
    assert OWNERS["style"] == "projections"
    assert OWNERS["relay_shard"] == "consumers"


@pytest.mark.parametrize("package", PACKAGES)
def test_no_package_writes_the_tables_of_another(package: str) -> None:
    written = {table for text in sources(package) for table in WRITTEN.findall(text)}
    assert {table for table in written if OWNERS.get(table, package) != package} == set()
