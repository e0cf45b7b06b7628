"""append_events_v1 called by somebody who means no good: refused, and nothing is written."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg2
import pytest
from django.db import DatabaseError, connection

from core.ids import new_id
from ledger.book import append as append_module
from ledger.book import read
from ledger.book.append import BalanceMoved, StreamMoved, append
from ledger.book.rows import NewEvent, Outcome
from tests import books
from tests.books import person
from tests.databases import Database
from tests.integration.audit.commands import ledger

USER, OTHER = person(1), person(2)
SHARD = 3
AVAILABLE = f"user/{USER}/available"
ID = "018f0000-0000-7000-8000-000000000003"
NO_ID = "22P02"  # the SQLSTATE of a text that is no uuid at all

pytestmark = pytest.mark.usefixtures("shared_database")


def granted(**changes: Any) -> NewEvent:
    """Return a good grant to USER with some of its columns replaced."""
    (event,) = books.grant(USER, 100, "promo")
    return event._replace(**changes)


def refused(*events: NewEvent, outcomes: Any = (), shard: int = SHARD) -> str:
    """Return the SQLSTATE with which an append is refused; nothing of it is in the book."""
    before = read.heads()
    with pytest.raises((DatabaseError, append_module.StaleLoad)) as refusal:
        append(shard=shard, outcomes=outcomes, events=events)
    cause: Any = refusal.value
    while cause is not None and not isinstance(cause, psycopg2.Error):
        cause = cause.__cause__
    assert read.heads() == before
    return str(cause.pgcode)


@pytest.mark.parametrize(
    "lines",
    [
        '["platform/issuance","promo",-1.5],["{a}","promo",1.5]',
        '["platform/issuance","promo",-1.0],["{a}","promo",1.0]',
        '["platform/issuance","promo",-1e3],["{a}","promo",1e3]',
        '["platform/issuance","promo","-5"],["{a}","promo","5"]',
        '["platform/issuance","promo",-0],["{a}","promo",0]',
        '["platform/issuance","promo",-5,1],["{a}","promo",5]',
        '["platform/issuance","promo"],["{a}","promo"]',
        '["platform/issuance","promo",null],["{a}","promo",null]',
        '["platform/issuance",null,-5],["{a}",null,5]',
        '[null,"promo",-5],["{a}","promo",5]',
        '["platform/issuance","promo",[-5]],["{a}","promo",[5]]',
        '[["platform/issuance","promo",-5]],[["{a}","promo",5]]',
        '["platform/issuance","promo",-5], ["{a}","promo",5]',
        '["platform/issuance","promo",-5],["{a}","pr\\u006fmo",5]',
        '{"account":"platform/issuance"}',
        '"platform/issuance"',
        "7",
        "",
    ],
)
def test_a_movement_is_canonical_letter_by_letter(lines: str) -> None:
    """One text, one meaning: what PostgreSQL reads, every other reader must read as well."""
    assert refused(granted(entries=f"[{lines.replace('{a}', AVAILABLE)}]")) in ("LB005", "22P02")


@pytest.mark.parametrize("entries", ["{}", "null", '"x"', "[", "[[[]]]", "1"])
def test_a_movement_is_a_list(entries: str) -> None:
    assert refused(granted(entries=entries)) in ("LB005", "22023", "22P02")


@pytest.mark.parametrize("amount", [1_000_000_001, 2**53, 2**63 - 1, 2**64])
def test_no_line_moves_more_than_the_limit(amount: int) -> None:
    lines = f'[["platform/issuance","promo",{-amount}],["{AVAILABLE}","promo",{amount}]]'
    assert refused(granted(entries=lines)) in ("23514", "22003")


def test_amounts_that_wrap_around_are_refused() -> None:
    huge = 2**63 - 1
    lines = f'[["{AVAILABLE}","promo",{huge}],["{AVAILABLE}","promo",{huge}]]'
    assert refused(granted(entries=lines)) == "22003"


@pytest.mark.parametrize(
    "account",
    [
        f"user/{ID.upper()}/available",
        f"user/{ID[:-1]}F/available",
        f"user/ {ID[1:]}/available",
        f"user/x/{ID[2:]}/available",
        f"user/{{{ID[2:]}}}/available",
        f"user/{ID}/available ",
        f"user/{ID}/available\\n",
        f"artist/{ID[:-3]}/x3/pending",
        f"artist/{ID.upper()}/pending",
        f"artist/{ID}/available",
        "user//available",
        "platform/bonus",
        "",
    ],
)
def test_a_person_has_one_spelling_and_no_account_but_the_known_ones(account: str) -> None:
    assert account != AVAILABLE
    lines = f'[["platform/issuance","promo",-5],["{account}","promo",5]]'
    assert refused(granted(entries=lines)) in ("LB005", NO_ID)


@pytest.mark.parametrize(
    "colour",
    ["gold", "Paid", "", "promo@", "promo@2027-1-31", "promo@2027-02-31", "promo@x", "paid "],
)
def test_a_colour_is_one_of_ours(colour: str) -> None:
    lines = f'[["platform/issuance","{colour}",-5],["{AVAILABLE}","{colour}",5]]'
    assert refused(granted(entries=lines)) in ("LB005", "22008")


def test_a_movement_sums_to_zero_in_each_colour() -> None:
    """G2, I1."""
    lines = f'[["platform/issuance","promo",-5],["{AVAILABLE}","paid",5]]'
    assert refused(granted(entries=lines)) == "LB005"


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("stream", f"grant-{ID[:-1]}Z", NO_ID),
        ("stream", f"grant-{ID.upper()}".replace("GRANT", "grant") + "x", NO_ID),
        ("stream", f"grant-{ID.upper()}", "LB008"),
        ("stream", f"Grant-{ID}", "LB008"),
        ("stream", ID, "LB008"),
        ("stream", None, "23502"),
        ("stream", f"grant-{ID[:-1]}4", "LB006"),
        ("type", "", "LB008"),
        ("type", "tokens granted", "LB008"),
        ("type", "A" * 101, "LB008"),
        ("type", None, "23502"),
        ("schema_version", 0, "LB008"),
        ("schema_version", None, "23502"),
        ("version", 0, "LB001"),
        ("version", 2, "LB001"),
        ("data", "[]", "LB008"),
        ("data", "{", "22P02"),
        ("data", None, "23502"),
        ("data", '{"x":"' + "y" * 65_536 + '"}', "LB007"),
        ("metadata", "1", "LB008"),
        ("metadata", "{}" + " " * 8_192, "LB007"),
        ("metadata", None, "23502"),
        ("movement_key", None, "23514"),
        ("movement_key", f"grant-{ID}:grant", "LB005"),
        ("movement_key", "", "LB005"),
        ("entries", None, "23514"),
        ("event_id", None, "23502"),
        ("occurred_at", None, "23502"),
        ("occurred_at", "infinity", "LB008"),
        ("occurred_at", "1970-01-01Z", "LB008"),
        ("occurred_at", "10000-01-01Z", "LB008"),
    ],
)
def test_an_event_has_its_shape(column: str, value: Any, code: str) -> None:
    event = granted(**{column: value})
    if column == "stream" and value:
        event = event._replace(movement_key=f"{value}:grant")
    assert refused(event) == code
    assert refused(*(books.draft(USER)[0] for _ in range(9)), event) == code


def test_an_event_id_is_used_once() -> None:
    assert refused(granted(event_id=UUID(ID)), granted(event_id=UUID(ID))) == "23505"


def test_a_movement_key_is_used_once_within_a_call() -> None:
    """I11."""
    one = granted()
    again = one._replace(event_id=new_id(USER), version=2)
    assert refused(one, again) == "23505"


@pytest.mark.parametrize("filler", [0, 9])
@pytest.mark.parametrize("versions", [(2, 1), (1, 1), (1, 3), (1, 1, 3), (2, 3), (1, 2, 2)])
def test_versions_of_a_stream_go_on_in_the_order_of_the_call(
    versions: tuple[int, ...], filler: int
) -> None:
    """In few events and in many: the order of a stream is its order in the book."""
    (first,) = books.draft(USER)
    events = [first._replace(event_id=new_id(USER), version=version) for version in versions]
    others = [books.draft(USER)[0] for _ in range(filler)]

    assert refused(*others, *events) == "LB001"


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("filler", [0, 9])
def test_streams_may_take_turns_within_a_call(filler: int) -> None:
    (one,), (two,) = books.draft(USER), books.draft(USER)
    events = [
        event._replace(event_id=new_id(USER), version=version)
        for version in (1, 2, 3)
        for event in (one, two)
    ]
    append(
        shard=SHARD, outcomes=[], events=[*events, *(books.draft(USER)[0] for _ in range(filler))]
    )

    assert [row.version for row in read.stream(one.stream)] == [1, 2, 3]


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("filler", [0, 9])
def test_a_balance_is_not_overdrawn_even_within_a_call(filler: int) -> None:
    """G3: what comes later in a call does not pay for what goes out first."""
    books.write(books.grant(USER, 10))
    spend, earn = books.transfer(USER, OTHER, 11), books.transfer(OTHER, USER, 11)
    rest = [books.draft(USER)[0] for _ in range(filler)]
    assert refused(*spend, *earn, *rest) == "LB002"
    assert refused(*earn, *spend, *rest) == "LB002"

    spend, earn = books.transfer(USER, OTHER, 10), books.transfer(OTHER, USER, 10)
    append(shard=SHARD, outcomes=[], events=[*spend, *earn, *rest])


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("filler", [0, 9])
def test_tokens_may_be_spent_in_the_call_that_grants_them(filler: int) -> None:
    rest = [books.draft(USER)[0] for _ in range(filler)]
    spend = books.transfer(USER, OTHER, 100)
    append(shard=SHARD, outcomes=[], events=[*books.grant(USER, 100), *spend, *rest])

    with pytest.raises(BalanceMoved):
        append(shard=SHARD, outcomes=[], events=books.transfer(USER, OTHER, 1))


def test_a_balance_stays_exact_for_every_json_reader(database: Database) -> None:
    with psycopg2.connect(database.owner_url) as owner, owner.cursor() as cursor:
        cursor.execute(
            "insert into balance values (%s, %s, 'promo', %s)", [SHARD, AVAILABLE, 2**53 - 50]
        )
    with pytest.raises(DatabaseError, match="balance_is_not_negative"):
        append(shard=SHARD, outcomes=[], events=[granted()])


def outcome(key: str) -> Outcome:
    return Outcome(f"user/{USER}", key, "f", 200, None, None, None, None)


@pytest.mark.usefixtures("database")
def test_at_most_a_thousand_events_and_outcomes_go_in_one_append() -> None:
    events = [books.draft(USER)[0] for _ in range(1_001)]
    assert refused(*events) == "LB007"
    assert refused(outcomes=[outcome(str(n)) for n in range(1_001)]) == "LB007"

    append(shard=SHARD, outcomes=[outcome(str(n)) for n in range(1_000)], events=events[:1_000])

    assert read.heads()[SHARD].position == 1_000


def test_one_key_twice_in_a_call_is_refused() -> None:
    """G7."""
    assert refused(outcomes=[outcome("k"), outcome("k")]) == "LB004"


@pytest.mark.parametrize("shard", [-1, 16, 255])
def test_a_shard_is_one_of_the_book(shard: int) -> None:
    assert refused(outcomes=[outcome("k")], shard=shard) == "LB006"
    assert refused(granted(), shard=shard) == "LB006"


def columns_of(*events: NewEvent) -> list[Any]:
    """Return the arguments of append_events_v1 for `events` and no outcome."""
    columns = [list(column) for column in zip(*events, strict=True)]
    return [SHARD, *([[]] * len(Outcome._fields)), *columns]


def call(arguments: list[Any]) -> None:
    append_module._APPEND.rows(arguments)


def two_of_each() -> list[Any]:
    """Return good arguments: two outcomes and two events."""
    arguments = columns_of(granted(), granted())
    outcomes = [outcome("k1"), outcome("k2")]
    arguments[1:9] = [list(column) for column in zip(*outcomes, strict=True)]
    return arguments


@pytest.mark.usefixtures("database")
def test_arrays_of_one_length_are_taken() -> None:
    call(two_of_each())

    assert read.heads()[SHARD].position == 2


@pytest.mark.parametrize("argument", range(1, 19))
@pytest.mark.parametrize("change", ["null", "shorter", "longer"])
def test_arrays_of_unequal_length_are_refused(argument: int, change: str) -> None:
    """What one reader takes for null another would skip: the chain must see what is stored."""
    arguments = two_of_each()
    known = arguments[argument]
    arguments[argument] = {"null": None, "shorter": known[:1], "longer": [*known, known[0]]}[change]

    with pytest.raises(DatabaseError, match="unequal length"):
        call(arguments)


@pytest.mark.parametrize("argument", range(9, 19))
@pytest.mark.parametrize("shape", ["nested", "shifted"])
def test_arrays_of_another_shape_are_refused(argument: int, shape: str) -> None:
    """`{{a},{b}}` and `[0:1]={a,b}` are arrays of two as well, and are read otherwise."""
    arguments = columns_of(granted(), granted())
    with connection.cursor() as cursor:
        known = cursor.mogrify("%s", [arguments[argument]]).decode()
        cursor.execute(f"select {known}::text[]::text")
        text = cursor.fetchone()[0]
    items = arguments[argument]
    arguments[argument] = f"[0:1]={text}" if shape == "shifted" else [[item] for item in items]

    with pytest.raises(DatabaseError, match="unequal length"):
        call(arguments)


@pytest.mark.usefixtures("database")
def test_no_setting_of_the_session_changes_what_is_hashed(database: Database) -> None:
    """G1: the chain is the book's, not the session's."""
    settings = {
        "standard_conforming_strings": "off",
        "timezone": "Asia/Seoul",
        "datestyle": "SQL, DMY",
        "bytea_output": "escape",
        "escape_string_warning": "off",
        "lc_time": "C",
        "search_path": "pg_temp, public",
        "extra_float_digits": "-5",
    }
    fresh = psycopg2.connect(database.url)
    fresh.autocommit = True
    with fresh.cursor() as cursor:
        for name, value in settings.items():
            cursor.execute("select set_config(%s, %s, false)", [name, value])
        cursor.execute("create temp table book (book_id uuid, shards smallint)")
        cursor.execute("create temp table head (shard int, position int, hash bytea)")
        cursor.execute(append_module._APPEND.prepare)
        for events in (books.grant(USER, 5), books.draft(USER), [granted() for _ in range(12)]):
            cursor.execute(append_module._APPEND.execute, columns_of(*events))
    fresh.close()

    assert read.heads()[SHARD].position == 14
    assert ledger("verify")[0] == 0


def test_a_session_in_repeatable_read_cannot_append_on_an_old_snapshot(database: Database) -> None:
    """The call is READ COMMITTED, or it fails: it never decides on what has passed."""
    other = psycopg2.connect(database.url)
    other.set_session(isolation_level="REPEATABLE READ")
    with other.cursor() as cursor:
        cursor.execute("select 1 from event limit 1")
        (first,) = books.grant(USER, 5)
        append(shard=SHARD, outcomes=[], events=[first])
        cursor.execute(append_module._APPEND.prepare)
        with pytest.raises(psycopg2.errors.SerializationFailure):
            cursor.execute(append_module._APPEND.execute, columns_of(granted()))
    other.close()


@pytest.mark.usefixtures("database")
def test_times_are_taken_as_given_to_the_microsecond() -> None:
    at = datetime(2026, 11, 23, 12, 0, 0, 1, tzinfo=UTC)
    append(shard=SHARD, outcomes=[], events=[granted(occurred_at=at)])

    assert read.page(SHARD, 0)[0].occurred_at == at


def test_a_stream_that_was_moved_on_by_another_is_stale() -> None:
    (first,) = books.draft(USER)
    append(shard=SHARD, outcomes=[], events=[first])

    with pytest.raises(StreamMoved):
        append(shard=SHARD, outcomes=[], events=[first._replace(event_id=new_id(USER))])
