"""The rounds of one crowd, and what they cost."""

from statistics import median

from benchmarks.crowd import Crowd, Round


class Log:
    """The rounds of one crowd."""

    def __init__(self, crowd: Crowd, *, is_prepared: bool = False) -> None:
        self._crowd = crowd
        self._is_prepared = is_prepared
        self._rounds: list[Round] = []

    def rate(self, seconds: float) -> float:
        """Do one more round and return its rate."""
        self._rounds.append(self._crowd.round(seconds, is_prepared=self._is_prepared))
        return self._rounds[-1].rate

    def cpu(self) -> str:
        """Return the median CPU of a command: client and server."""
        client = median(each.client_us for each in self._rounds)
        servers = [each.server_us for each in self._rounds if each.server_us is not None]
        server = f"{median(servers):.0f}" if servers else "?"
        return f"{client:.0f}+{server} us (client+server)"
