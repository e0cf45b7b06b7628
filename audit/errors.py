"""What stops an audit before it has a verdict."""


class UsageError(Exception):
    """The audit was asked for something that it cannot do: exit code 2."""
