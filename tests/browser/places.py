"""Every page of the web app, by a name of its own: the same list for pictures and for tests."""

from village import Village

from lichen.node.paths import segment_of

MISSING = "%" + "M" * 42 + "A=.sha256"
"""A message that nobody has."""
PLACES = {
    "home": "/",
    "home-end": "/?before=1",
    "thread": "/thread/{oven}",
    "thread-hidden": "/thread/{oven}?hidden",
    "thread-care": "/thread/{care}",
    "thread-side": "/thread/{side}",
    "thread-missing": "/thread/{missing}",
    "channel": "/channel/bread",
    "channel-empty": "/channel/nobody-ever",
    "message": "/message/{oven}",
    "write": "/write",
    "people": "/people",
    "people-followers": "/people?kind=followers",
    "people-nearby": "/people?kind=nearby",
    "people-called": "/people?name=jo",
    "people-called-nobody": "/people?name=zzz",
    "people-end": "/people?before=1",
    "people-blocked": "/people?kind=blocked",
    "profile": "/people/{joaquin}",
    "profile-own": "/people/{own}",
    "profile-named": "/people/{petter}",
    "profile-twin": "/people/{twin}",
    "profile-blocked": "/people/{seller}",
    "edit": "/people/{own}/edit",
    "edit-other": "/people/{joaquin}/edit",
    "search": "/search",
    "search-found": "/search?q=Joaqu%C3%ADn%20Ibarra",
    "search-words": "/search?q=oven%20OR%20clay%20OR%20bread%20OR%20stra*",
    "search-japanese": "/search?q=%E7%9F%B3%E5%9E%A3",
    "search-care": "/search?q=author:me%20OR%20author:joaquin%20sort:best",
    "search-notes": "/search?q=is:private%20author:nobody",
    "search-unclear": "/search?q=-bread",
    "search-nothing": "/search?q=nothing%20at%20all",
    "welcome-done": "/welcome",
    "network": "/network",
    "settings": "/settings",
    "settings-saved": "/settings?saved",
    "status": "/status",
    "fault": "/people/cut-short",
    "no-page": "/no-such-page",
}
"""What somebody who is let in can open; ids of the village stand in braces."""
CLOSED_PLACES = {"closed": "/", "closed-stale": "/enter/used-before"}
"""What anybody on this computer can open."""


def path_of(place: str, village: Village) -> str:
    """Return the path of a place, with the ids that it names."""
    ids = {"own": village.peer.feed, "missing": MISSING}
    ids |= {name: person.id for name, person in village.people.items()}
    ids |= village.messages
    return place.format_map({name: segment_of(ref) for name, ref in ids.items()})
