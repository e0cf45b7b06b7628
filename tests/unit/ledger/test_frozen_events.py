"""A sample of every version of every event, frozen: what was once stored is read for ever.

A new event, or a new version of one, adds a sample to frozen_events.json; none is ever edited.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from ledger import codec
from ledger.book.canonical import canonical
from ledger.domain.events import EVENT_TYPES

FROZEN: dict[str, dict[str, Any]] = json.loads(
    (Path(__file__).parent / "frozen_events.json").read_text()
)
SAMPLES = [(name, int(version)) for name in FROZEN for version in FROZEN[name]]


@pytest.mark.parametrize(("name", "version"), SAMPLES)
def test_a_frozen_event_is_read_and_its_newest_version_written_the_same(
    name: str, version: int
) -> None:
    data = canonical(FROZEN[name][str(version)])

    event = codec.decode_event(name, version, data)

    assert type(event) is EVENT_TYPES[name]
    if version == codec.SCHEMA_VERSIONS.get(name, 1):
        assert codec.encode(event) == (name, version, data)


def test_every_version_of_every_event_has_a_sample() -> None:
    wanted = {
        (name, version)
        for name in EVENT_TYPES
        for version in range(1, codec.SCHEMA_VERSIONS.get(name, 1) + 1)
    }
    assert set(SAMPLES) == wanted
