"""Django's sessions in the database, which looks for keys of its own form only."""

import re

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore

_FORM = re.compile(r"[a-z0-9]{32}", re.ASCII)


class SessionStore(DatabaseStore):
    """A cookie can hold any character, NUL too; what we did not draw never reaches the database."""

    def _validate_session_key(self, key: str | None) -> bool:
        """Return whether we could have drawn this key."""
        return key is not None and _FORM.fullmatch(key) is not None
