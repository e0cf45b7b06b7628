"""`python -m tests.acceptance.shapes` writes docs/reference/api-shapes.md anew, from a run."""

import os
import sys

import pytest

REWRITE = "REWRITE_API_SHAPES"

if __name__ == "__main__":
    os.environ[REWRITE] = "1"
    sys.exit(pytest.main(["tests/acceptance/test_api_shapes.py"]))
