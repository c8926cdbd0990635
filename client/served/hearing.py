"""What a server tells of its progress, told on to who listens here."""

from saelake.store.requests.waited.progress import Progress, Relay, listening
from saelake.store.wire.progress import Part


class Hearing:
    """Tells apart what comes of one attempt: pieces of an answer, and how far it is.

    An attempt after another begins anew, and its stages have numbers of their own.
    """

    def __init__(self) -> None:
        teller = listening()
        self._relay = None if teller is None else Relay(teller)

    def pieces(self, part: Part) -> tuple[bytes, ...]:
        """The piece of an answer that came, or none: then it is told. Raises what listeners do."""
        if not isinstance(part, Progress):
            return (part,)
        if self._relay is not None:
            self._relay.tell(part)
        return ()
