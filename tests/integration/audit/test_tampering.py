"""What a superuser does to the book is found by `ledger verify`, at its position (G1)."""

import dataclasses
from pathlib import Path

import pytest

from audit import snapshot
from audit.heads import KeptHeads
from audit.snapshot import COVERED
from audit.verify import violations
from ledger.book import read
from ledger.fold import Violation
from tests import books
from tests.attacks import Attacker
from tests.databases import Database, url_of
from tests.integration.audit.commands import USER, ledger

SHARD = 3  # where USER's events lie
EVENTS = 50

# Another valid value for each column of a stored event.
CHANGES = {
    "shard": "shard + 8",
    "position": "position + 1000",
    "event_id": "gen_random_uuid()",
    "stream": "stream || '-x'",
    "version": "version + 1000",
    "type": "case type when 'StyleTrained' then 'TokensHeld' else 'StyleTrained' end",
    "schema_version": "schema_version + 1",
    "data": "replace(data, '018f', '018e')",
    "entries": "case when entries is null then '[]' else replace(entries, '0', '5') end",
    "metadata": "'{}'",
    "movement_key": "coalesce(movement_key, stream || ':') || 'x'",
    "occurred_at": "occurred_at + interval '1 microsecond'",
    "recorded_at": "recorded_at - interval '1 microsecond'",
    "hash": "sha256(hash)",
}
# A movement and its key are there together: where one appears, so must the other.
COMPANIONS = {
    "entries": ", movement_key = coalesce(movement_key, stream || ':x')",
    "movement_key": ", entries = coalesce(entries, '[]')",
}


@pytest.fixture(autouse=True)
def _sound_before(attacker: Attacker) -> None:
    """What is found in a test is what the test did."""
    assert first() is None


def first(kept: KeptHeads | None = None) -> Violation | None:
    """Return what verify finds first."""
    return next(violations(snapshot.take(), kept=kept), None)


def keep() -> KeptHeads:
    taken = snapshot.take()
    return KeptHeads(taken.book_id, taken.shards, taken.heads)


def place(found: Violation | None) -> str:
    assert found is not None, "nothing was found"
    return found.position


def test_every_column_of_an_event_is_tried() -> None:
    assert set(CHANGES) == set(COVERED) == set(read.Row._fields)


@pytest.mark.slow
@pytest.mark.parametrize("column", CHANGES)
def test_another_valid_value_in_any_column_is_found_at_its_position(
    column: str, attacker: Attacker
) -> None:
    books.write(*(books.grant(USER, 10) for _ in range(EVENTS)))
    with attacker.disarmed():
        for position in range(1, EVENTS + 1):
            change = f"{column} = {CHANGES[column]} {COMPANIONS.get(column, '')}"
            ((before, *row),) = attacker.ask(
                "select shard, position, event_id, stream, version, type, schema_version, data,"
                " entries, metadata, movement_key, occurred_at, recorded_at, hash"
                " from event where shard = %s and position = %s",
                SHARD,
                position,
            )
            ((shard, moved_to),) = attacker.run(
                f"update event set {change} where shard = %s and position = %s"
                " returning shard, position",
                SHARD,
                position,
            )

            assert place(first()) == f"{SHARD}-{position}"

            attacker.run("delete from event where shard = %s and position = %s", shard, moved_to)
            attacker.run(f"insert into event values ({', '.join(['%s'] * 14)})", before, *row)
    assert first() is None


@pytest.mark.parametrize(
    ("attack", "position"),
    [
        ("update entry set amount = amount + 1 where shard = 3 and position = 6 and line = 1", 6),
        ("update entry set colour = 'promo' where shard = 3 and position = 6 and line = 2", 6),
        ("update entry set account = 'x' where shard = 3 and position = 6 and line = 2", 6),
        ("delete from entry where shard = 3 and position = 6 and line = 2", 6),
        ("delete from entry where shard = 3 and position = 6", 6),
        ("insert into entry values (3, 6, 9, 'user/x/available', 'paid', 7)", 6),
        ("insert into entry values (3, 2, 1, 'user/x/available', 'paid', 7)", 2),
        ("insert into entry values (3, 5000, 1, 'user/x/available', 'paid', 7)", 34),
        ("delete from event where shard = 3 and position = 7", 7),
        ("delete from event where shard = 3 and position = 1", 1),
        ("delete from event where shard = 3", 1),
        (
            "insert into event select 3, 34, gen_random_uuid(), stream || '0', 1, type, 1, data,"
            " null, metadata, null, now(), now(), hash from event where shard = 3 and position = 2",
            34,
        ),
        ("update head set hash = sha256('') where shard = 3", 33),
        ("update head set position = position - 1 where shard = 3", 32),
        ("update head set position = position + 1 where shard = 3", 34),
    ],
)
def test_altered_entries_events_and_heads_are_found_where_they_are(
    attack: str, position: int, attacker: Attacker
) -> None:
    attacker.run(attack)

    assert place(first()) == f"3-{position}"


def test_two_swapped_events_are_found_at_the_first(attacker: Attacker) -> None:
    for source, target in ((6, 1000), (11, 6), (1000, 11)):
        for table in ("event", "entry"):
            attacker.run(
                f"update {table} set position = %s where shard = 3 and position = %s",
                *(target, source),
            )

    assert place(first()) == "3-6"


@pytest.mark.parametrize(
    ("attack", "invariant"),
    [
        ("update balance set amount = amount + 1 where shard = 4", "I13"),
        ("delete from balance where shard = 4", "I13"),
        ("insert into balance values (3, %s, 'paid', 7)", "I13"),
        ("update balance set shard = 5 where shard = 4", "shard"),
        ("insert into balance values (3, 'user', 'paid', 7)", "shard"),
        ("insert into event select 16, position, event_id, stream, version, type, 1, data, null,"
         " metadata, null, now(), now(), hash from event where shard = 5", "shard"),
        ("insert into entry values (-1, 1, 1, 'x', 'paid', 1)", "shard"),
        ("insert into entry values (3, 0, 1, 'x', 'paid', 1)", "shard"),
        ("alter table event add column note text", "chain"),
        ("delete from head where shard = 9", "head"),
        ("insert into head values (16, 1, sha256(''), now())", "head"),
    ],
)  # fmt: skip
def test_altered_balances_shards_and_columns_are_found(
    attack: str, invariant: str, attacker: Attacker
) -> None:
    attacker.run(attack, *([f"user/{books.person(9)}/available"] * attack.count("%s")))

    found = first()
    assert found is not None
    assert found.invariant == invariant


@pytest.mark.parametrize(
    "attack",
    [
        "update book set book_id = gen_random_uuid()",
        "update book set shards = 8",
        "update head set hash = sha256('') where shard = 9",
    ],
)
def test_another_identity_of_the_book_is_found(attack: str, attacker: Attacker) -> None:
    attacker.run(attack)

    assert first() is not None


@pytest.mark.parametrize("head_too", [False, True])
def test_a_cut_tail_is_found_against_kept_heads(head_too: bool, attacker: Attacker) -> None:
    """Without the head moved back it is found anyway; with it, only a kept head tells."""
    kept = keep()
    books.write(books.grant(USER, 1))

    attacker.cut_tail(SHARD, 30, head_too=head_too)

    assert place(first(kept)) == "3-31"
    assert (first() is None) == head_too


def test_a_full_rewrite_is_found_against_kept_heads(attacker: Attacker) -> None:
    kept = keep()
    books.write(books.grant(USER, 1))

    attacker.run("update event set metadata = '{}' where shard = 3 and position = 9")
    attacker.forge_chain(SHARD)

    assert first() is None
    assert place(first(kept)) == "3-33"


def test_a_rewritten_beginning_is_found_against_heads_kept_when_the_shard_was_empty(
    attacker: Attacker,
) -> None:
    kept = keep()
    other = kept.heads | {9: read.Head(0, b"\0" * 32)}

    assert place(first(KeptHeads(kept.book_id, kept.shards, other))) == "9-0"


def test_the_file_of_kept_heads_is_what_finds_a_cut(attacker: Attacker, tmp_path: Path) -> None:
    kept = tmp_path / "heads.json"
    kept.write_text(ledger("heads")[1])
    attacker.cut_tail(SHARD, 32, head_too=True)

    code, said = ledger("verify", "--expect-heads", str(kept))

    assert code == 1
    assert said == ("Difference at 3-33 (kept): cut: a head was kept at 33, the book ends at 32.\n")


def test_whoever_goes_on_is_told_of_every_altered_event(attacker: Attacker) -> None:
    attacker.run("update event set metadata = '[]' where shard = 3 and position in (4, 9)")
    attacker.run("update event set entries = '[]' where shard = 3 and position = 12")
    attacker.run("delete from event where shard = 3 and position = 20")
    attacker.run("delete from entry where shard = 3 and position > 30")

    found = [(one.invariant, one.position) for one in violations(snapshot.take())]

    chain = [("chain", "3-4"), ("chain", "3-9"), ("chain", "3-12"), ("density", "3-20")]
    assert found[:4] == chain
    assert ("I1", "3-12") in found
    assert ("entry", "3-12") in found
    assert ("head", "3-34") not in found


@pytest.mark.parametrize(
    ("attack", "position", "invariant"),
    [
        ("recorded_at = '2026-01-01Z' where shard = 3 and position = 9", 9, "order"),
        ("recorded_at = '-infinity' where shard = 3 and position = 1", 1, "order"),
        ("type = 'TokensMinted' where shard = 3 and position = 9", 9, "type"),
        ("data = '[' where shard = 3 and position = 9", 9, "type"),
        ("data = repeat('[', 100000) where shard = 3 and position = 9", 9, "type"),
        ("metadata = '{' where shard = 3 and position = 9", 9, "type"),
        ("schema_version = 7 where shard = 3 and position = 9", 9, "type"),
        ("version = 7 where shard = 3 and position = 6", 6, "version"),
        ("stream = '', version = 0 where shard = 3 and position = 33", 33, "density"),
        ("entries = '[]' where shard = 3 and position = 3", 3, "I1"),
        ("entries = '[[1,2]]' where shard = 3 and position = 3", 3, "I1"),
        ("entries = '{' where shard = 3 and position = 3", 3, "I1"),
        ("entries = '[[\"x\",\"paid\",1.5]]' where shard = 3 and position = 3", 3, "I1"),
        ("occurred_at = 'infinity' where shard = 3 and position = 9", 9, "order"),
        ("movement_key = 'x' where shard = 3 and position = 3", 3, "I11"),
    ],
)  # fmt: skip
def test_a_forged_chain_still_has_to_be_a_book(
    attack: str, position: int, invariant: str, attacker: Attacker
) -> None:
    """Whoever computes every hash anew has the events to explain."""
    attacker.run(f"update event set {attack}")
    attacker.forge_chain(SHARD)

    found = first()

    assert found is not None
    assert (found.invariant, found.position) == (invariant, f"3-{position}")


def test_an_auditor_verifies_with_the_right_to_read_alone(filled_book: Database) -> None:
    url = url_of(filled_book.owner_url, options="-c role=ledger_auditor")
    with dataclasses.replace(filled_book, url=url).in_use():
        assert first() is None
        assert ledger("heads")[0] == 0
        assert ledger("statement", f"user/{USER}/held")[0] == 0
