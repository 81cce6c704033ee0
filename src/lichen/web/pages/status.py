"""How the peer does: what the doctor finds, and how far the views are."""

from lichen import __version__
from lichen.node.api.doctor import TITLES, examine
from lichen.node.page import Answer, Shown, Visit
from lichen.web.pages.network import fault_words


async def show_status(visit: Visit) -> Answer:
    """Show everything that was examined, what is wrong first."""
    service = visit.service
    findings = await examine(service)
    findings.sort(key=lambda finding: ("fail", "warn", "ok").index(finding.verdict))
    return Shown(
        "web/status.html",
        {
            "findings": findings,
            "titles": TITLES,
            "version": __version__,
            "views": service.store.views.progress(),
            "messages": service.store.log.count(),
            "feeds": len(service.store.log.clock()),
            "started_s": service.started_at,
            "closed": [
                (fault_words(reason, visit.words), count)
                for reason, count in service.shell.close_reasons.items()
            ],
        },
    )
