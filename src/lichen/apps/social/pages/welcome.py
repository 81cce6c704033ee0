"""The first page: a list of steps that ticks itself off while it is open."""

import asyncio

import msgspec

from lichen.apps.social.pages.reading import WELCOMED_SETTING
from lichen.apps.social.pages.shared import (
    digest_of,
    folded,
    known_faces,
    near_of,
    viewer_of,
)
from lichen.apps.social.reading import profiles
from lichen.apps.social.reading.circle import circle_of
from lichen.feed.canonical import JsonValue
from lichen.feed.message import FeedId
from lichen.node.client import OfflineClient
from lichen.node.errors import ApiError
from lichen.node.page import Answer, Moved, Shown, Visit
from lichen.store.views.queries import Page

ONE = Page(limit=1)


class Steps(msgspec.Struct, frozen=True):
    """What is done of the first steps, and what the undone ones show."""

    name: str
    has_picture: bool
    lan: str
    door: tuple[tuple[FeedId, str], ...]
    """Who is heard nearby, and at which address."""
    near: tuple[FeedId, ...]
    """Who is connected."""
    follows: tuple[FeedId, ...]
    has_written: bool
    is_guarded: bool


async def show_welcome(visit: Visit) -> Answer:
    """Show the steps."""
    return await _show(visit)


async def _show(visit: Visit, fault: ApiError | None = None) -> Answer:
    await folded(visit)
    steps = await read_steps(visit)
    feeds = {*steps.near, *steps.follows, *(feed for feed, _ in steps.door)}
    return Shown(
        "social/welcome.html",
        {
            "steps": steps,
            "version": digest_of(steps),
            "fault": fault,
            "typed": dict(visit.form),
            "own": viewer_of(visit),
            "faces": await known_faces(visit, feeds),
            "reachable": visit.service.doors.addresses() if visit.service.doors else [],
        },
        400 if fault else 200,
    )


async def read_steps(visit: Visit) -> Steps:
    """Return how far the person is."""
    service, own = visit.service, viewer_of(visit)
    status = service.shell.brain.snapshot()
    near = tuple(near_of(visit))
    face = (await asyncio.to_thread(profiles.faces, service.store, own, [own]))[own]
    circle = await asyncio.to_thread(circle_of, service.store, own)
    return Steps(
        name=face.name or "",
        has_picture=face.image is not None,
        lan=service.lan.mode,
        door=tuple((seen.peer, seen.address) for seen in status.staged if seen.peer not in near),
        near=near,
        follows=tuple(sorted(circle.follows)),
        has_written=bool(service.store.views.by_author(own, ONE, kind="post")),
        is_guarded=service.shell.is_guarded,
    )


async def watch_welcome(visit: Visit) -> JsonValue:
    """Tell that another step is done, or somebody else is near."""
    return {"version": digest_of(await read_steps(visit))}


async def name_oneself(visit: Visit) -> Answer:
    """Publish what the person calls themselves."""
    name = visit.form.get("name", "")
    try:
        await OfflineClient(visit.service).call(
            "social.setName", {"id": viewer_of(visit), "name": name}
        )
    except ApiError as fault:
        return await _show(visit, fault)
    return Moved("/welcome")


async def leave_welcome(visit: Visit) -> Answer:
    """Go home, and do not come back by oneself."""
    visit.service.store.local.set_setting(WELCOMED_SETTING, True)
    return Moved("/")
