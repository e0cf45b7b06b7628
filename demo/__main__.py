"""`make demo`: the main job on real pictures, from sign-up to the verified book."""

import signal
import sys
import time
from datetime import datetime
from pathlib import Path
from types import FrameType

from demo.client import Unexpected
from demo.screen import Screen
from demo.sheet import write_sheet
from demo.story import IMAGES, Story
from demo.system import REPOSITORY, UNTHROTTLED, System, SystemFailed, free_port

# So that nobody waits a minute for the lease of a killed worker, nor to order ten pictures at once.
IN_HASTE = {
    "GENERATION_LEASE_SECONDS": "8",
    "GENERATION_RETRY_SECONDS": "1,1,1",
    **UNTHROTTLED,
}


def main() -> int:
    """Tell the story; return 0 if every check passed."""
    signal.signal(signal.SIGTERM, _interrupt)
    folder = _output_folder()
    screen, begun = Screen(), time.monotonic()
    screen.console.print(f"Starting the system; what it makes goes to {folder}")
    try:
        with System(folder, port=free_port(), settings=IN_HASTE) as system:
            system.start_worker()
            story = Story(system, folder, screen)
            story.tell()
            _audit(system, folder, screen)
            pairs = {
                name: (sorted((IMAGES / name).glob("*.jpg")), made)
                for name, made in story.made.items()
            }
            write_sheet(folder / "contact-sheet.png", pairs)
    except (SystemFailed, Unexpected) as error:
        screen.check("The story went as told", False, str(error))
    except KeyboardInterrupt:
        screen.console.print("\nStopped.")
        return 130
    seconds = time.monotonic() - begun
    screen.console.print(f"\n{screen.passed} checks passed, {len(screen.failed)} failed", end="")
    screen.console.print(f" in {seconds:.0f} s. Pictures and ledger: {folder}")
    return 1 if screen.failed else 0


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt


def _output_folder() -> Path:
    """Make a new folder; two demos that start in one second get one each."""
    stamp = datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
    for suffix in ("", *(f"-{number}" for number in range(2, 100))):
        folder = REPOSITORY / "output" / f"demo-{stamp}{suffix}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder
    raise SystemExit("output/ has no room for another demo of this second")


def _audit(system: System, folder: Path, screen: Screen) -> None:
    """Replay and verify the whole book, against its own heads too."""
    screen.step("The auditor replays the whole book and verifies it")
    heads = folder / "heads.json"
    for name, arguments in {
        "verify": ("verify", "--write-heads", str(heads)),
        "verify-heads": ("verify", "--expect-heads", str(heads)),
        "replay": ("replay",),
    }.items():
        done = system.manage("ledger", *arguments)
        (folder / f"{name}.txt").write_text(done.stdout + done.stderr)
        told = (done.stdout + done.stderr).strip()[-500:]
        screen.check(f"ledger {' '.join(arguments[:2])}", done.returncode == 0, told)
        if done.returncode == 0 and done.stdout:
            screen.console.print(f"    {done.stdout.strip().splitlines()[-1]}")


if __name__ == "__main__":
    sys.exit(main())
