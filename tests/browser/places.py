"""Every page of the web app, by a name of its own: the same list for pictures and for tests."""

from village import Village

from lichen.node.paths import segment_of


def places(village: Village) -> dict[str, str]:
    """Return the path of each page that somebody who is let in can open."""
    people, said = village.people, village.messages
    own = segment_of(village.peer.feed)
    joaquin = segment_of(people["joaquin"].id)
    return {
        "home": "/",
        "home-end": "/?before=1",
        "thread": f"/thread/{segment_of(said['oven'])}",
        "thread-hidden": f"/thread/{segment_of(said['oven'])}?hidden",
        "thread-care": f"/thread/{segment_of(said['care'])}",
        "thread-side": f"/thread/{segment_of(said['side'])}",
        "thread-missing": "/thread/" + segment_of("%" + "M" * 42 + "A=.sha256"),
        "channel": "/channel/bread",
        "channel-empty": "/channel/nobody-ever",
        "message": f"/message/{segment_of(said['oven'])}",
        "write": "/write",
        "people": "/people",
        "people-followers": "/people?kind=followers",
        "people-nearby": "/people?kind=nearby",
        "people-blocked": "/people?kind=blocked",
        "profile": f"/people/{joaquin}",
        "profile-own": f"/people/{own}",
        "profile-named": f"/people/{segment_of(people['petter'].id)}",
        "profile-twin": f"/people/{segment_of(people['twin'].id)}",
        "profile-blocked": f"/people/{segment_of(people['seller'].id)}",
        "edit": f"/people/{own}/edit",
        "edit-other": f"/people/{joaquin}/edit",
        "search": "/search",
        "search-found": "/search?q=Joaqu%C3%ADn%20Ibarra",
        "search-nothing": "/search?q=nothing%20at%20all",
        "welcome-done": "/welcome",
        "network": "/network",
        "settings": "/settings",
        "settings-saved": "/settings?saved",
        "status": "/status",
        "fault": "/people/cut-short",
        "no-page": "/no-such-page",
    }


def closed_places(village: Village) -> dict[str, str]:
    """Return the path of each page that anybody on this computer can open."""
    return {"closed": "/", "closed-stale": "/enter/used-before"}
