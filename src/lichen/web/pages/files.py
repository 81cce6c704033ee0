"""Faces that grew from keys, and blobs: what strangers made is shown as a picture or not at all."""

from lichen.feed.refs import feed_key_bytes
from lichen.node.errors import ApiError
from lichen.node.page import Answer, Sent, Visit
from lichen.node.paths import blob_of, feed_of
from lichen.web.faces import face_svg

PICTURES = (
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"GIF8", 0, "image/gif"),
    (b"WEBP", 8, "image/webp"),
    (b"ftypavif", 4, "image/avif"),
)
"""How the kinds of picture that browsers show begin: mark, where it stands, media type.

SVG is not among them: it can hold script.
"""

HARMLESS = {
    # Should a browser take it for a page all the same, it may do nothing.
    "content-security-policy": "default-src 'none'; sandbox",
}


async def show_face(visit: Visit) -> Answer:
    """Draw the face that grew from a key."""
    try:
        feed = feed_of(visit.path["feed"])
    except ValueError as error:
        raise _no_such_address(visit) from error
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100"'
        f' stroke-linejoin="round">{face_svg(feed_key_bytes(feed))}</svg>'
    )
    return Sent(svg.encode(), "image/svg+xml", is_immutable=True)


async def show_blob(visit: Visit) -> Answer:
    """Send a blob that is here; one that is not is asked for."""
    try:
        blob = blob_of(visit.path["blob"])
    except ValueError as error:
        raise _no_such_address(visit) from error
    data = await visit.service.blobs.read(blob)
    if data is None:
        visit.service.blobs.want(blob)
        raise ApiError(
            "not-found",
            visit.words.gettext("This file is not here yet; the people near are asked for it."),
            visit.words.gettext("Look again in a while."),
        )
    kind = picture_kind(data)
    headers = HARMLESS if kind else {**HARMLESS, "content-disposition": "attachment"}
    return Sent(data, kind or "application/octet-stream", headers, is_immutable=True)


def _no_such_address(visit: Visit) -> ApiError:
    return ApiError("not-found", visit.words.gettext("This address is cut short or mistyped."))


def picture_kind(data: bytes) -> str | None:
    """Return the media type of a picture, None for anything else."""
    for mark, place, kind in PICTURES:
        if data[place : place + len(mark)] == mark:
            return kind
    return None
