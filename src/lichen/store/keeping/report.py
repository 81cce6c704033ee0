"""What keeping finds and does, as values: damage by feed and sequence, progress, results."""

from enum import IntEnum

import msgspec

from lichen.feed.message import BlobId, FeedId


class Depth(IntEnum):
    """How thoroughly a directory is checked; each depth includes the ones before it."""

    QUICK = 0
    """The structure of the files, and that no feed has a gap: the indexes alone are read."""
    CHAIN = 1
    """Every message: its text, its id, what it follows; the signature of each feed's newest."""
    FULL = 2
    """Every signature, and every blob."""


class Damage(msgspec.Struct, frozen=True):
    """One thing that is damaged, in phrases.

    ``place``: ``log``, ``local``, ``views`` (the file), ``feed``, ``fork`` or ``blob``. Of a feed,
    ``sequence`` is the first message that does not hold; ``words`` says what is wrong with it.
    """

    place: str
    words: str
    feed: FeedId | None = None
    sequence: int = 0
    blob: BlobId | None = None


class Progress(msgspec.Struct, frozen=True):
    """How far a long work is. ``stage`` is a word for programs; a face has the words for people."""

    stage: str
    count: int
    total: int


class Report(msgspec.Struct):
    """What a check looked at, and everything it found; it grows while the check runs."""

    depth: Depth
    messages: int = 0
    feeds: int = 0
    signatures: int = 0
    forks: int = 0
    blobs: int = 0
    damages: list[Damage] = []
    omitted: int = 0
    """How many further damages were found that are not listed."""

    @property
    def is_whole(self) -> bool:
        """Tell whether nothing is damaged."""
        return not self.damages


class Cut(msgspec.Struct, frozen=True):
    """A feed that now ends before ``sequence``; ``count`` of its messages lie aside."""

    feed: FeedId
    sequence: int
    count: int


class Healed(msgspec.Struct, frozen=True):
    """What healing did. ``kept`` is the folder with all that was taken out, empty if nothing was.

    ``unread`` counts messages that could not be read at all. ``is_guarded``: publishing waits
    until peers were asked for the own feed.
    """

    kept: str = ""
    messages: int = 0
    aside: int = 0
    unread: int = 0
    cuts: tuple[Cut, ...] = ()
    blobs: int = 0
    is_log_new: bool = False
    is_local_new: bool = False
    are_views_dropped: bool = False
    is_guarded: bool = False
