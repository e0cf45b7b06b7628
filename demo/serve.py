"""`make serve`: keeps the system running on PORT, with seeded accounts to try it by."""

import json
import os
import signal
import sys
import threading
from pathlib import Path

from demo.client import sign_up
from demo.system import REPOSITORY, System, SystemFailed

CHECK_SECONDS = 2.0


def main() -> int:
    """Serve until Ctrl-C or SIGTERM; return 1 when a process ended by itself."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    folder = Path(os.environ.get("STATE_DIR", REPOSITORY / ".state")).absolute()
    try:
        with System(folder, port=int(os.environ.get("PORT", "8000")), keep=True) as system:
            credentials = _seed(system, folder / "credentials.json")
            print(f"The ledger answers at {system.url}; its documentation: {system.url}/api/docs/")
            print(f"Keys of an artist, a user, an operator and an auditor: {credentials}")
            print("Ctrl-C stops it.", flush=True)
            while not stop.wait(CHECK_SECONDS):
                system.check_alive()
    except SystemFailed as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _seed(system: System, path: Path) -> Path:
    """Start a worker and make the accounts, once; their keys lie in `path`, for us alone."""
    known = json.loads(path.read_text()) if path.exists() else {}
    number = known.get("starts", 0) + 1
    system.start_worker(f"reference-{number}-{os.getpid()}")
    if "user" not in known:
        artist = sign_up(system.url, "artist")
        names = {"artist_name": "Ada", "verified_email": "artist@example.org"}
        artist.post("/api/users/me/upgrade-to-artist/", names, status=200)
        known |= {"artist": artist.key, "user": sign_up(system.url, "user").key}
        for role in ("operator", "auditor"):
            known[role] = system.must_manage("accounts", "create", "--role", role, role).strip()
    path.touch(mode=0o600)
    path.write_text(json.dumps(known | {"url": system.url, "starts": number}, indent=2) + "\n")
    return path


if __name__ == "__main__":
    sys.exit(main())
