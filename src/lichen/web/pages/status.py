"""How the peer does: what the doctor finds, and how far the views are."""

from lichen import __version__
from lichen.apps.social.pages.shared import digest_of, known_faces
from lichen.feed.canonical import JsonValue
from lichen.node.api.doctor import TITLES, examine
from lichen.node.client import OfflineClient
from lichen.node.page import Answer, Moved, Shown, Visit
from lichen.web.pages.network import fault_words


async def show_status(visit: Visit) -> Answer:
    """Show everything that was examined, what is wrong first; with ``?log`` the whole log too."""
    service = visit.service
    is_thorough = "log" in visit.query
    findings = await examine(service, is_thorough=is_thorough)
    findings.sort(key=lambda finding: ("fail", "warn", "ok").index(finding.verdict))
    return Shown(
        "web/status.html",
        {
            "findings": findings,
            "titles": TITLES,
            "faces": await known_faces(visit, {one for each in findings for one in each.feeds}),
            "version": __version__,
            "is_thorough": is_thorough,
            "views": service.store.views.progress(),
            "views_version": digest_of([view.folded for view in service.store.views.progress()]),
            "messages": service.store.log.count(),
            "feeds": len(service.store.log.clock()),
            "started_s": service.started_at,
            "closed": [
                (fault_words(reason, visit.words), count)
                for reason, count in service.shell.close_reasons.items()
            ],
        },
    )


async def trust_peer(visit: Visit) -> Answer:
    """Trust a peer again that was doubted."""
    await OfflineClient(visit.service).call("lichen.trust", visit.form.get("peer", ""))
    return Moved("/status")


async def watch_views(visit: Visit) -> JsonValue:
    """Tell that views are further than they were."""
    progress = visit.service.store.views.progress()
    return {"version": digest_of([view.folded for view in progress])}
