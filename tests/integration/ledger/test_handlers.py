"""The one door: what it remembers, what it decides again, and that nothing moves twice."""

from collections.abc import Callable
from uuid import UUID

import pytest
from django.db import OperationalError, connection, connections

from core.ids import new_id
from ledger import desk, handlers
from ledger.book import read
from ledger.book.load import Loaded, load
from ledger.domain.change import Decision
from ledger.domain.money import available
from ledger.domain.wallet import GrantTokens, TransferTokens
from ledger.handlers import handle
from ledger.orders import Accepted, Context, Key, Order, Refused, Result

pytestmark = pytest.mark.usefixtures("database")


def order_grant(
    user: UUID, amount: int = 100, *, colour: str = "paid", key: Key | None = None
) -> Order:
    command = GrantTokens(
        grant_id=new_id(user), user_id=user, amount=amount, colour=colour, reason="test"
    )
    return Order(command, Context(actor="system", key=key))


def order_transfer(user: UUID, recipient: UUID, amount: int, *, key: Key | None = None) -> Order:
    command = TransferTokens(
        transfer_id=new_id(user), user_id=user, recipient_id=recipient, amount=amount
    )
    return Order(command, Context(actor=f"user/{user}", key=key))


def key_of(user: UUID, key: str = "k", fingerprint: str = "f") -> Key:
    return Key(scope=f"user/{user}", key=key, fingerprint=fingerprint)


def balance(user: UUID) -> int:
    account = available(user)
    loaded = load(shard=read.shard_of(user), keys=[], streams={}, accounts=[account])
    return sum(loaded.balances.get(account, {}).values())


def code(result: Result) -> str | None:
    return result.error.code if isinstance(result, Refused) else None


def interfere(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let `act` happen once, between the first load and its append."""
    acts = [act]

    def load_and_interfere(**arguments: object) -> Loaded:
        loaded = load(**arguments)  # type: ignore[arg-type]
        while acts:
            acts.pop()()
        return loaded

    monkeypatch.setattr(handlers, "load", load_and_interfere)


def test_a_grant_and_a_transfer_move_tokens() -> None:
    ann, ben = new_id(), new_id()

    handle([order_grant(ann)])
    (result,) = handle([order_transfer(ann, ben, 30)])

    assert isinstance(result, Accepted)
    assert result.position is not None
    assert (balance(ann), balance(ben)) == (70, 30)


def test_an_overdraft_is_refused_and_nothing_is_written() -> None:
    """G3."""
    ann, ben = new_id(), new_id()
    handle([order_grant(ann)])
    before = read.heads()

    (result,) = handle([order_transfer(ann, ben, 101, key=key_of(ann))])

    assert isinstance(result, Refused)
    assert result.error.status == 402
    assert result.error.details == {"required": 101, "available": 100, "shortfall": 1}
    assert read.heads() == before


class TestKeys:
    """G7: a repeated request gives the first answer and moves nothing."""

    def test_a_repeated_key_gives_the_first_answer(self) -> None:
        ann, ben = new_id(), new_id()
        handle([order_grant(ann)])

        (first,) = handle([order_transfer(ann, ben, 30, key=key_of(ann))])
        (second,) = handle([order_transfer(ann, ben, 30, key=key_of(ann))])

        assert isinstance(first, Accepted)
        assert isinstance(second, Accepted)
        assert second.replayed
        assert not first.replayed
        assert (second.stream, second.version, second.state) == (
            first.stream,
            first.version,
            first.state,
        )
        assert second.position == first.position
        assert balance(ann) == 70

    def test_a_key_with_another_body_is_refused(self) -> None:
        ann, ben = new_id(), new_id()
        handle([order_grant(ann), order_transfer(ann, ben, 30, key=key_of(ann))])

        (result,) = handle([order_transfer(ann, ben, 31, key=key_of(ann, fingerprint="g"))])

        assert code(result) == "idempotency_key_reused"
        assert balance(ann) == 70

    def test_a_refusal_by_a_rule_is_remembered(self) -> None:
        ann = new_id()
        (first,) = handle([order_transfer(ann, ann, 1, key=key_of(ann))])
        (second,) = handle([order_transfer(ann, ann, 1, key=key_of(ann))])

        assert code(first) == code(second) == "self_transfer"
        assert second.replayed

    def test_too_few_tokens_are_not_remembered(self) -> None:
        """A user can top up and send the same request again."""
        ann, ben = new_id(), new_id()
        (first,) = handle([order_transfer(ann, ben, 30, key=key_of(ann))])
        handle([order_grant(ann)])
        (second,) = handle([order_transfer(ann, ben, 30, key=key_of(ann))])

        assert code(first) == "insufficient_tokens"
        assert isinstance(second, Accepted)
        assert not second.replayed

    def test_a_key_twice_in_one_batch_is_answered_from_the_first(self) -> None:
        ann, ben = new_id(), new_id()
        handle([order_grant(ann)])

        first, second = handle([order_transfer(ann, ben, 30, key=key_of(ann)) for _ in range(2)])

        assert isinstance(first, Accepted)
        assert isinstance(second, Accepted)
        assert (first.replayed, second.replayed) == (False, True)
        assert second.stream == first.stream
        assert balance(ann) == 70


class TestBatches:
    def test_a_batch_behaves_as_if_its_orders_ran_one_after_the_other(self) -> None:
        ann, ben = new_id(), new_id()
        results = handle(
            [
                order_transfer(ann, ben, 10),
                order_grant(ann),
                order_transfer(ann, ben, 60),
                order_transfer(ann, ben, 60),
                order_transfer(ann, ben, 40),
            ]
        )
        assert [code(result) for result in results] == [
            "insufficient_tokens",
            None,
            None,
            "insufficient_tokens",
            None,
        ]
        assert (balance(ann), balance(ben)) == (0, 100)

    def test_orders_of_many_shards_and_more_than_one_append_come_back_in_order(self) -> None:
        users = [new_id() for _ in range(7)]
        orders = [order_grant(users[n % 7], n + 1) for n in range(500)]

        results = handle(orders)

        assert [result.stream for result in results if isinstance(result, Accepted)] == [
            order.stream for order in orders
        ]
        assert sum(balance(user) for user in users) == sum(range(501))

    def test_a_defect_in_one_decision_does_not_spoil_the_rest(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ann = new_id()
        whole = Decision.of
        failing = [ZeroDivisionError]

        def fails_once(decided: object) -> Decision:
            if failing:
                raise failing.pop()
            return whole(decided)  # type: ignore[arg-type]

        monkeypatch.setattr(desk.Decision, "of", fails_once)
        results = handle([order_grant(ann), order_grant(ann, 5)])

        assert [code(result) for result in results] == ["internal_error", None]
        assert balance(ann) == 5

    def test_an_order_the_book_refuses_is_found_by_halving(self) -> None:
        """The balance limit is the database's: the domain does not know the payee's balance."""
        ann = new_id()
        full = UUID(bytes=new_id().bytes[:15] + ann.bytes[15:])
        handle([order_grant(full)])
        with connections["owner"].cursor() as cursor:
            cursor.execute(
                "update balance set amount = %s where account = %s", [2**53 - 1, available(full)]
            )

        results = handle([order_grant(ann), order_grant(full), order_grant(ann), order_grant(ann)])

        assert [code(result) for result in results] == [None, "append_failed", None, None]
        assert balance(ann) == 300


class TestStaleLoads:
    """The path that is built first: the append finds the load stale, all is decided again."""

    def test_a_balance_spent_meanwhile_is_refused_not_overdrawn(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """G3."""
        ann, ben = new_id(), new_id()
        handle([order_grant(ann)])
        interfere(monkeypatch, lambda: handle([order_transfer(ann, ben, 60)]))

        (result,) = handle([order_transfer(ann, ben, 60)])

        assert code(result) == "insufficient_tokens"
        assert (balance(ann), balance(ben)) == (40, 60)

    def test_a_twin_that_was_first_gives_its_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """G7."""
        ann, ben = new_id(), new_id()
        handle([order_grant(ann)])
        interfere(monkeypatch, lambda: handle([order_transfer(ann, ben, 60, key=key_of(ann))]))

        (result,) = handle([order_transfer(ann, ben, 60, key=key_of(ann))])

        assert isinstance(result, Accepted)
        assert result.replayed
        assert balance(ann) == 40

    def test_a_stream_that_moved_is_decided_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ann = new_id()
        grant = order_grant(ann)
        interfere(monkeypatch, lambda: handle([grant]))

        (result,) = handle([grant])

        assert code(result) == "busy"  # a grant's stream has one event: it can never follow
        assert balance(ann) == 100

    def test_it_gives_up_when_the_load_is_always_stale(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ann, ben = new_id(), new_id()
        handle([order_grant(ann)])
        attempts: list[int] = []

        def stale(**_: object) -> None:
            attempts.append(1)
            raise handlers.StaleLoad

        monkeypatch.setattr(handlers, "append", stale)
        (result,) = handle([order_transfer(ann, ben, 1)])

        assert code(result) == "busy"
        assert len(attempts) == handlers.MOST_ATTEMPTS


class TestFailures:
    def test_a_lost_connection_is_tried_once_more(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """G12."""
        ann = new_id()
        interfere(monkeypatch, lambda: connection.connection.close())

        (result,) = handle([order_grant(ann)])

        assert isinstance(result, Accepted)
        assert balance(ann) == 100

    def test_an_answer_lost_after_the_commit_moves_nothing_twice(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """G12: the append committed, its answer did not arrive."""
        ann = new_id()
        whole = handlers.append
        losses = [OperationalError("connection lost")]

        def append_and_lose(**arguments: object) -> object:
            appended = whole(**arguments)  # type: ignore[arg-type]
            if losses:
                raise losses.pop()
            return appended

        monkeypatch.setattr(handlers, "append", append_and_lose)
        (result,) = handle([order_grant(ann, key=key_of(ann))])

        assert isinstance(result, Accepted)
        assert result.replayed
        assert balance(ann) == 100

    def test_a_book_that_does_not_answer_is_said_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(**_: object) -> None:
            raise OperationalError("no disk")

        monkeypatch.setattr(handlers, "append", broken)
        results = handle([order_grant(new_id(), key=None) for _ in range(3)])

        assert {code(result) for result in results} == {"append_failed"}

    def test_while_the_database_is_away_a_batch_is_not_halved(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Else two hundred orders would dial four hundred times before they are told."""
        dialled: list[int] = []

        def dial(_: object) -> None:
            dialled.append(1)
            raise OperationalError("connection refused")

        handle([order_grant(new_id())])  # the book's identity is known
        connection.close()
        monkeypatch.setattr(connections["default"], "get_new_connection", dial)
        ann = new_id()
        results = handle([order_grant(ann, key=None) for _ in range(100)])

        assert [code(result) for result in results] == ["append_failed"] * 100
        assert len(dialled) <= 4
