"""The small calls: what a remote peer may call, what it is told when it may not, and the ping.

Texts and forms are those that JavaScript peers send and compare (secret-stack, ssb-ebt,
pull-ping): see ``missing_method``. Rooms and tunnels are not served yet.
"""

from collections.abc import Mapping
from enum import Enum

import orjson

from lichen.feed.message import FeedId
from lichen.gossip.limits import PING_ANSWER_S_MIN, PING_S, PING_S_MAX, PING_S_MIN
from lichen.wire.events import CallKind

EBT_REPLICATE = ("ebt", "replicate")
EBT_REPLICATE_FORMAT = ("ebt", "replicateFormat")
EBT_CLOCK = ("ebt", "clock")
HISTORY = ("createHistoryStream",)
GOSSIP_PING = ("gossip", "ping")
CONN_PING = ("conn", "ping")
MANIFEST = ("manifest",)
WHOAMI = ("whoami",)
BLOBS_HAS = ("blobs", "has")
BLOBS_SIZE = ("blobs", "size")
BLOBS_GET = ("blobs", "get")
BLOBS_GET_SLICE = ("blobs", "getSlice")
BLOBS_CHANGES = ("blobs", "changes")
BLOBS_CREATE_WANTS = ("blobs", "createWants")

SERVED: Mapping[tuple[str, ...], CallKind] = {
    EBT_REPLICATE: CallKind.DUPLEX,
    EBT_REPLICATE_FORMAT: CallKind.DUPLEX,
    EBT_CLOCK: CallKind.ASYNC,
    HISTORY: CallKind.SOURCE,
    GOSSIP_PING: CallKind.DUPLEX,
    CONN_PING: CallKind.DUPLEX,
    MANIFEST: CallKind.ASYNC,
    WHOAMI: CallKind.ASYNC,
    BLOBS_HAS: CallKind.ASYNC,
    BLOBS_SIZE: CallKind.ASYNC,
    BLOBS_GET: CallKind.SOURCE,
    BLOBS_GET_SLICE: CallKind.SOURCE,
    BLOBS_CHANGES: CallKind.SOURCE,
    BLOBS_CREATE_WANTS: CallKind.SOURCE,
}
"""What any remote peer may call."""

EBT_ARGS = b'[{"version":3,"format":"classic"}]'
PING_ARGS = b'[{"timeout":%d}]' % (PING_S * 1000)
RECONNECTED = "reconnected to peer"
"""How a session ends that a newer one of the same peer replaces."""

_EBT_VERSION = 3
_SYNC_METHODS = (MANIFEST, WHOAMI)


def refuse_kind(name: tuple[str, ...], kind: CallKind) -> str:
    """Refuse a method that was called as another kind than it is."""
    return f"no {kind.value}:{','.join(name)}"


def check_ebt_args(args: bytes) -> str | None:
    """Return why an ebt.replicate call is refused, None if it is not."""
    options = first_option(args)
    version = options.get("version")
    if version != _EBT_VERSION or isinstance(version, bool):
        return "expected ebt.replicate({version: 3})"
    return check_format(options)


def check_format(options: Mapping[str, object]) -> str | None:
    """Return why the feed format of a call is refused, None if it is not."""
    name = options.get("format")
    if name is None or name == "classic":
        return None
    return f"Unknown format: {str(name)[:80]}"


def first_option(args: bytes) -> Mapping[str, object]:
    """Return the first argument of a call if it is an object, else an empty one."""
    try:
        values = orjson.loads(args)
    except orjson.JSONDecodeError:
        return {}
    if isinstance(values, list) and values and isinstance(values[0], dict):
        return values[0]
    return {}


def encode_manifest() -> bytes:
    """Return the manifest: the tree of method names with their kinds."""
    tree: dict[str, object] = {}
    for name, kind in SERVED.items():
        branch = tree
        for part in name[:-1]:
            inner = branch.setdefault(part, {})
            assert isinstance(inner, dict), "no method is also the parent of others"
            branch = inner
        branch[name[-1]] = "sync" if name in _SYNC_METHODS else kind.value
    return orjson.dumps(tree)


def encode_whoami(own: FeedId) -> bytes:
    """Return the answer to whoami."""
    return orjson.dumps({"id": own})


class Stroke(Enum):
    """What to do with a ball that came."""

    VOLLEY = "send it straight back, and serve after the interval"
    WAIT = "it was the answer to ours; the peer serves next"
    IGNORE = "it came too soon"


class PingBall:
    """One gossip.ping call: whoever receives the ball holds it a while and serves it again."""

    __slots__ = ("call", "has_served", "interval_s", "volleyed_at")

    def __init__(self, call: int, args: bytes) -> None:
        self.call = call
        self.has_served = False
        """The next number that comes is the answer to ours."""
        timeout_ms = first_option(args).get("timeout")
        if not isinstance(timeout_ms, int | float) or isinstance(timeout_ms, bool):
            timeout_ms = PING_S * 1000
        self.interval_s = min(max(timeout_ms / 1000, PING_S_MIN), PING_S_MAX)
        self.volleyed_at = float("-inf")

    def serve(self) -> None:
        """Send the ball: an answer is expected."""
        self.has_served = True

    def receive(self, now: float) -> Stroke:
        """Take the ball; say what follows."""
        if self.has_served:
            self.has_served = False
            return Stroke.WAIT
        if now - self.volleyed_at < PING_ANSWER_S_MIN:
            return Stroke.IGNORE
        self.volleyed_at = now
        return Stroke.VOLLEY
