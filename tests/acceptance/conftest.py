"""People who call the API, as in tests/integration/api."""

from tests.integration.api.conftest import person

__all__ = ["person"]
