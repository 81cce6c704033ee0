"""What a data directory is bound to: one network, one HMAC key, one own feed.

The binding lies in the log itself. Messages of two networks in one log would look like bad ones to
every peer of either, and two identities writing to one log would each fork the other's feed.
"""

from pathlib import Path

import apsw
import msgspec

from lichen.feed.message import FeedId
from lichen.store.errors import Unreadable, WrongNetwork, reason_of
from lichen.store.log import LogWriter
from lichen.store.schema import is_absent
from lichen.words import N_, phrase_of

LOG_FILE = "log.db"
KEY_BYTES = 32


class Binding(msgspec.Struct, frozen=True):
    """The network a data directory belongs to."""

    network_key: bytes
    hmac_key: bytes | None = None


def read_binding(directory: Path) -> Binding | None:
    """Return what a data directory is bound to, None if nothing is there yet. Takes no lock."""
    path = directory / LOG_FILE
    if is_absent(path):
        return None
    try:
        db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            facts: dict[str, bytes] = dict(db.execute("SELECT name, value FROM meta"))
        finally:
            db.close(True)
    except (apsw.Error, UnicodeDecodeError) as error:
        raise Unreadable(path, phrase_of(reason_of(error))) from error
    if "network_key" not in facts:
        return None
    return Binding(facts["network_key"], facts.get("hmac_key") or None)


def is_binding(network_key: object, hmac_key: object) -> bool:
    """Tell whether what a log says of its network makes sense."""
    if not isinstance(network_key, bytes) or not isinstance(hmac_key, bytes):
        return False
    return len(network_key) == KEY_BYTES and len(hmac_key) in {0, KEY_BYTES}


def check_binding(directory: Path, log: LogWriter, binding: Binding) -> None:
    """Bind a new log; refuse one that is bound to another network."""
    bound = log.meta("network_key")
    if bound is None:
        log.set_meta(network_key=binding.network_key, hmac_key=binding.hmac_key or b"")
    elif bound != binding.network_key:
        raise WrongNetwork(directory, N_("network key"))
    elif (log.meta("hmac_key") or b"") != (binding.hmac_key or b""):
        raise WrongNetwork(directory, N_("HMAC key"))


def bound_feed(log: LogWriter) -> FeedId | None:
    """Return the own feed that a log is bound to."""
    own = log.meta("own")
    return None if own is None else FeedId(own.decode())


def bind_feed(log: LogWriter, own: FeedId) -> None:
    """Bind a log to the own feed, for good."""
    log.set_meta(own=own.encode())
