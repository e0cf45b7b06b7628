"""append_events_v1 through `ledger.book.append`: what it takes, and what it refuses."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, transaction

from core.ids import new_id
from ledger.book import read
from ledger.book.append import (
    BalanceMoved,
    MovementRepeated,
    OutcomeKnown,
    StreamMoved,
    append,
)
from ledger.book.load import load
from ledger.book.rows import NewEvent, Outcome
from tests.databases import Database

USER = UUID("018f0000-0000-7000-8000-000000000003")
SHARD = 3
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def grant(amount: int, *, stream: str = "", version: int = 1, account: str = "") -> NewEvent:
    """Return an event that moves `amount` promo tokens from issuance to the user."""
    stream = stream or f"grant-{new_id(USER)}"
    account = account or f"user/{USER}/available"
    return NewEvent(
        event_id=new_id(USER),
        stream=stream,
        version=version,
        type="TokensGranted",
        schema_version=1,
        data='{"naïve":"텍스트 🎨"}',
        entries=f'[["platform/issuance","promo",{-amount}],["{account}","promo",{amount}]]',
        metadata="{}",
        movement_key=f"{stream}:grant{version}",
        occurred_at=NOW,
    )


def outcome(key: str) -> Outcome:
    return Outcome(f"user/{USER}", key, "f", 200, None, None, None, None)


def balance(account: str) -> dict[str, int]:
    loaded = load(shard=SHARD, keys=[], streams={}, accounts=[account])
    return loaded.balances.get(account, {})


@pytest.mark.usefixtures("database")
class TestAppend:
    def test_positions_are_dense_and_balances_follow_the_entries(self) -> None:
        first = append(shard=SHARD, outcomes=[], events=[grant(100), grant(20)])
        second = append(shard=SHARD, outcomes=[], events=[grant(3)])

        assert first is not None
        assert second is not None
        assert (first.position, second.position) == (2, 3)
        assert [row.position for row in read.page(SHARD, 0)] == [1, 2, 3]
        assert balance(f"user/{USER}/available") == {"promo": 123}

    def test_an_overdraft_is_refused_and_nothing_is_written(self) -> None:
        """G3."""
        append(shard=SHARD, outcomes=[], events=[grant(100)])

        with pytest.raises(BalanceMoved):
            append(shard=SHARD, outcomes=[outcome("k")], events=[grant(-101)])

        assert read.heads()[SHARD].position == 1
        assert (
            load(shard=SHARD, keys=[(f"user/{USER}", "k")], streams={}, accounts=[]).outcomes == {}
        )

    def test_a_movement_that_does_not_sum_to_zero_is_refused(self) -> None:
        """G2, I1: even when the code above is wrong."""
        event = grant(100)._replace(
            entries=f'[["platform/issuance","promo",-100],["user/{USER}/available","paid",100]]'
        )
        with pytest.raises(DatabaseError, match="sum to zero"):
            append(shard=SHARD, outcomes=[], events=[event])

    def test_an_unknown_account_is_refused(self) -> None:
        with pytest.raises(DatabaseError, match="No such account"):
            append(shard=SHARD, outcomes=[], events=[grant(1, account=f"user/{USER}/pocket")])

    @pytest.mark.parametrize("version", [1, 3, 7])
    def test_a_stream_goes_on_exactly_where_the_book_has_it(self, version: int) -> None:
        stream = f"grant-{new_id(USER)}"
        append(shard=SHARD, outcomes=[], events=[grant(1, stream=stream)])

        with pytest.raises(StreamMoved):
            append(shard=SHARD, outcomes=[], events=[grant(1, stream=stream, version=version)])

    def test_a_movement_key_is_used_once(self) -> None:
        """I11."""
        event = grant(1)
        append(shard=SHARD, outcomes=[], events=[event])

        with pytest.raises(MovementRepeated):
            append(
                shard=SHARD,
                outcomes=[],
                events=[event._replace(event_id=new_id(USER), version=2)],
            )

    def test_a_known_outcome_is_refused(self) -> None:
        """G7."""
        append(shard=SHARD, outcomes=[outcome("k")], events=[])

        with pytest.raises(OutcomeKnown):
            append(shard=SHARD, outcomes=[outcome("a"), outcome("k")], events=[grant(1)])

        assert read.heads()[SHARD].position == 0

    def test_a_stream_of_another_shard_is_refused(self) -> None:
        with pytest.raises(DatabaseError, match="another shard"):
            append(shard=SHARD + 1, outcomes=[], events=[grant(1)])

    def test_an_append_inside_a_transaction_is_refused(self) -> None:
        with transaction.atomic(), pytest.raises(transaction.TransactionManagementError):
            append(shard=SHARD, outcomes=[], events=[grant(1)])


def test_the_application_cannot_write_the_book_past_the_functions(database: Database) -> None:
    """G1."""
    for statement in ("update event set data = ''", "delete from entry", "truncate outcome"):
        with pytest.raises(DatabaseError), connection.cursor() as cursor:
            cursor.execute(statement)
