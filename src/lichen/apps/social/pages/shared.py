"""What the pages of this app have in common: the viewer, folded views, faces, arguments."""

import asyncio
import hashlib
from collections.abc import Iterable
from contextlib import suppress

import msgspec

from lichen.apps.social.reading.profiles import Face, faces
from lichen.feed.message import BlobId, FeedId, MsgId
from lichen.node.errors import ApiError
from lichen.node.page import Visit
from lichen.node.paths import feed_of, message_of

FOLD_S_MAX = 2.0
"""After so long a page shows what the views hold, even if what came last is not among it."""


def viewer_of(visit: Visit) -> FeedId:
    """Return whose peer this is."""
    return visit.service.keyring.id


async def folded(visit: Visit) -> None:
    """Wait until the views hold what the log got last; the page's frame says what is not in yet."""
    done = asyncio.wrap_future(visit.service.store.wait_newest())
    with suppress(TimeoutError):
        await asyncio.wait_for(done, FOLD_S_MAX)


async def known_faces(visit: Visit, feeds: Iterable[FeedId]) -> dict[FeedId, Face]:
    """Return names and pictures; a picture that is not here is asked for and left out till then.

    Asked for are pictures of people whose feeds are kept: whoever is only named here, or blocked,
    makes this peer ask nobody for anything.
    """
    service = visit.service
    own = viewer_of(visit)
    found = await asyncio.to_thread(faces, service.store, own, {own, *feeds})
    for feed, face in found.items():
        if face.image is not None and not is_here(visit, face.image):
            if is_kept(visit, feed):
                service.blobs.want(face.image)
            found[feed] = msgspec.structs.replace(face, image=None)
    return found


def is_kept(visit: Visit, feed: FeedId) -> bool:
    """Tell whether this peer keeps a feed: its own, and those within the steps that are set."""
    steps = visit.service.shell.brain.hops().get(feed, -1)
    return feed == viewer_of(visit) or 0 <= steps <= visit.service.hops_max


def near_of(visit: Visit) -> list[FeedId]:
    """Return who is connected now, whom we met first first."""
    return [peer.peer for peer in visit.service.shell.brain.snapshot().peers]


def digest_of(shown: object) -> str:
    """Return a short text that changes when what is shown does."""
    return hashlib.sha256(msgspec.json.encode(shown)).hexdigest()[:16]


def is_here(visit: Visit, blob: BlobId) -> bool:
    """Tell whether a blob is in the store."""
    return visit.service.blobs.size(blob) is not None


def feed_at(visit: Visit) -> FeedId:
    """Return the feed that a page's path names. Raises ApiError."""
    try:
        return feed_of(visit.path["feed"])
    except ValueError as error:
        raise ApiError(
            "not-found", visit.words.gettext("This address is cut short or mistyped.")
        ) from error


def message_at(visit: Visit) -> MsgId:
    """Return the message that a page's path names. Raises ApiError."""
    try:
        return message_of(visit.path["message"])
    except ValueError as error:
        raise ApiError(
            "not-found", visit.words.gettext("This address is cut short or mistyped.")
        ) from error


def number_in(visit: Visit, name: str) -> int | None:
    """Return a whole number of the query; None where there is none, or something else."""
    text = visit.query.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
