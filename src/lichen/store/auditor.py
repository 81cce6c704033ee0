"""The audit behind: signatures that a later one bound are checked when there is time."""

import msgspec

from lichen.feed.message import FeedId


class Audited(msgspec.Struct, frozen=True):
    """Feeds, and up to which message every signature of each was checked now."""

    feeds: tuple[tuple[FeedId, int], ...]


class AuditFailed(msgspec.Struct, frozen=True):
    """A wrong signature was found: the log of ``feed`` ends before ``sequence`` now.

    ``source`` is who sent it, None if nobody is known to have.
    """

    feed: FeedId
    sequence: int
    source: FeedId | None


AuditNews = Audited | AuditFailed
