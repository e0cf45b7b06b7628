"""What the demo shows: steps, checks and progress bars, on a terminal or in a log."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


class Screen:
    """Prints the story and remembers which checks did not pass."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        self.passed = 0
        self.failed: list[str] = []

    def step(self, text: str) -> None:
        """Begin a step."""
        self.console.print(f"\n[bold]{text}[/bold]")

    def check(self, claim: str, is_true: bool, told: str = "") -> None:
        """Show a claim and whether it holds."""
        if is_true:
            self.passed += 1
            self.console.print(f"  [green]✓[/green] {claim}")
        else:
            self.failed.append(claim)
            self.console.print(f"  [red]✗ {claim}[/red] {told}")

    @contextmanager
    def bar(self, text: str) -> Iterator[Callable[[int], None]]:
        """Show a progress bar; call what is given with per cent, 0-100."""
        columns = (TextColumn("  {task.description}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self.console, transient=True) as progress:
            task = progress.add_task(text, total=100)
            yield lambda percent: progress.update(task, completed=percent)
