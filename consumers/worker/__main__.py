"""`python -m consumers.worker`: the reference worker, and `check` for any server."""

import sys

from consumers.worker.command import WRONG_SETTINGS, run


def main() -> int:
    """Run the reference worker, or the check, which needs none of its packages."""
    if sys.argv[1:2] == ["check"]:
        return run({})
    try:
        from consumers.worker.reference.jobs import WORK
    except ImportError as error:
        needed = "the reference worker needs numpy, pillow and safetensors"
        sys.stderr.write(f"worker: {needed}: ledger-worker[reference] ({error})\n")
        return WRONG_SETTINGS
    return run(WORK)


if __name__ == "__main__":
    sys.exit(main())
