"""People: who is known here, a person's page, what I call them, follow and block."""

import asyncio
import hashlib
import re

from lichen.apps.social.pages.shared import (
    feed_at,
    folded,
    known_faces,
    number_in,
    viewer_of,
)
from lichen.apps.social.pictures import prepare_face
from lichen.apps.social.reading import cards, people, profiles, timeline
from lichen.apps.social.reading.circle import circle_of
from lichen.apps.social.rules import NAME_CHARACTERS_MAX
from lichen.feed.canonical import JsonValue
from lichen.feed.message import FeedId
from lichen.feed.refs import blob_id_from_bytes
from lichen.node.client import OfflineClient
from lichen.node.errors import ApiError
from lichen.node.page import Answer, Moved, Shown, Visit
from lichen.node.paths import segment_of

RELATIONS = {"follow": "social.follow", "unfollow": "social.unfollow", "block": "social.block"}
KINDS: dict[str, people.PeopleKind] = {
    "follows": "follows",
    "followers": "followers",
    "nearby": "nearby",
    "blocked": "blocked",
}
_may_go_back_to = re.compile(
    rf"/welcome|/network|/people(?:\?kind=(?:{'|'.join(KINDS)})"
    r"(?:&name=[\w./~+%-]{1,2000})?(?:&before=\d{1,18})?)?",
    re.ASCII,
).fullmatch


async def show_people(visit: Visit) -> Answer:
    """Show whom I follow, who follows me, whom my people follow, or whom I block."""
    store, own = visit.service.store, viewer_of(visit)
    await folded(visit)
    kind = KINDS.get(visit.query.get("kind", ""), "follows")
    before = number_in(visit, "before")
    name = visit.query.get("name", "").strip()[:NAME_CHARACTERS_MAX]
    page = await asyncio.to_thread(people.people, store, own, kind, name=name, before=before)
    feeds = {person.feed for person in page.people}
    feeds.update(feed for person in page.people for feed in person.introduced_by)
    return Shown(
        "social/people.html",
        {
            "kind": kind,
            "called": name,
            "before": before,
            "page": page,
            "faces": await known_faces(visit, feeds),
        },
    )


async def show_profile(visit: Visit) -> Answer:
    """Show a person: names, words, how we relate, threads."""
    store, own, feed = visit.service.store, viewer_of(visit), feed_at(visit)
    await folded(visit)
    circle = await asyncio.to_thread(circle_of, store, own)
    profile = await asyncio.to_thread(profiles.open_profile, store, own, feed, circle=circle)
    twins = await asyncio.to_thread(profiles.lookalikes, store, own, feed, circle=circle)
    before = number_in(visit, "before")
    page = await asyncio.to_thread(
        timeline.profile_page, store, own, feed, before=before, circle=circle
    )
    named = {feed, *cards.people_of(page), *(twin.feed for twin in twins)}
    named.update(profile.followed_by.feeds, profile.blocked_by.feeds)
    named.update(who for other in profile.other_names for who in other.feeds)
    return Shown(
        "social/profile.html",
        {
            "profile": profile,
            "twins": twins,
            "page": page,
            "is_first": before is None,
            "faces": await known_faces(visit, named),
        },
    )


async def relate(visit: Visit) -> Answer:
    """Follow, unfollow or block a person."""
    feed = feed_at(visit)
    method = RELATIONS.get(visit.form.get("act", ""))
    if method is None:
        raise ApiError("usage", visit.words.gettext("This form could not be read."))
    await OfflineClient(visit.service).call(method, {"id": feed})
    return _moved_back(visit, feed)


def _moved_back(visit: Visit, feed: FeedId) -> Moved:
    """Go back to the list that a form was in, or to the page of the person it was about."""
    back = visit.form.get("back", "")
    return Moved(back if _may_go_back_to(back) else f"/people/{segment_of(feed)}")


async def show_edit(visit: Visit) -> Answer:
    """Show the form for a person's name, words and picture."""
    store, own, feed = visit.service.store, viewer_of(visit), feed_at(visit)
    await folded(visit)
    profile = await asyncio.to_thread(profiles.open_profile, store, own, feed)
    # For others it is one's own name for them, which is not what they call themselves.
    name = profile.own_name if feed == own else profile.petname
    return await _show_form(visit, profile, name or "", profile.description or "")


async def _show_form(
    visit: Visit,
    profile: profiles.Profile,
    name: str,
    description: str,
    fault: ApiError | None = None,
) -> Answer:
    return Shown(
        "social/edit.html",
        {
            "profile": profile,
            "typed_name": name,
            "typed_description": description,
            "fault": fault,
            "faces": await known_faces(visit, [profile.feed]),
        },
        400 if fault else 200,
    )


async def save_profile(visit: Visit) -> Answer:
    """Publish what has changed of a person's name, words and picture."""
    feed, own = feed_at(visit), viewer_of(visit)
    form, service = visit.form, visit.service
    client = OfflineClient(service)
    options: dict[str, JsonValue] = {"id": feed}
    try:
        # A field that was emptied takes back what one said.
        if "name" in form:
            options["name"] = form["name"] if form["name"].strip() else None
        if feed == own:
            if "description" in form:
                described = form["description"].strip()
                options["description"] = described or None
            if (picture := visit.uploads.get("picture")) is not None:
                face = await asyncio.to_thread(prepare_face, picture.data)
                # First all that can be refused: a picture that nothing names would be left over.
                image = blob_id_from_bytes(hashlib.sha256(face).digest())
                await client.call("social.setProfile", {**options, "image": image, "dryRun": True})
                options["image"] = await service.blobs.add(face)
        await client.call("social.setProfile", options)
    except ApiError as fault:
        profile = await asyncio.to_thread(profiles.open_profile, service.store, own, feed)
        name, description = form.get("name", ""), form.get("description", "")
        return await _show_form(visit, profile, name, description, fault)
    return _moved_back(visit, feed)
