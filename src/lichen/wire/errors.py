"""The two ways in which a protocol is broken: by us, or by them.

``LocalProtocolError`` is a bug of this program and should not be caught. ``RemoteProtocolError``
is the end of one connection: its reason is counted, nothing is answered, the socket is closed.
"""

from collections.abc import Sequence

from lichen.wire.events import WireEvent


class WireError(Exception):
    """Whatever goes wrong in this room."""


class LocalProtocolError(WireError):
    """This program asked for something that the protocol does not allow."""


class RemoteProtocolError(WireError):
    """The remote peer broke the rules; the connection is over.

    ``reason`` is a short slug to count by, ``words`` a sentence for people, ``events`` what had
    happened, in the same bytes, before the fault: it is still valid and is to be handled first.
    """

    def __init__(self, reason: str, words: str, events: Sequence[WireEvent] = ()) -> None:
        super().__init__(f"{reason}: {words}")
        self.reason = reason
        self.words = words
        self.events = list(events)
