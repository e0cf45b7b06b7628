"""The progress of a long audit on stderr: a bar with rate and time left."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

Advance = Callable[[int], None]

SHORT_EVENTS = 20_000  # below this an audit is over before a bar could be read


class _Rate(ProgressColumn):
    """Events per second."""

    def render(self, task: Task) -> Text:
        return Text("" if task.speed is None else f"{task.speed:,.0f}/s")


@contextmanager
def progress(label: str, *, total: int, is_wanted: bool) -> Iterator[Advance]:
    """Yield what to call with the number of events done.

    The bar shows on a terminal for long runs, and wherever `is_wanted`.
    """
    if not is_wanted and (total < SHORT_EVENTS or not sys.stderr.isatty()):
        yield lambda _events: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=total)
        yield lambda events: bar.advance(task, events)
