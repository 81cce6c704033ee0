"""What a person sets: how far to keep, who sees this peer, language, look, which browsers come in.

A form says one thing at a time; each field that is there is saved, others stay as they are.
"""

from lichen.node.api.people import HOPS_MAX
from lichen.node.client import OfflineClient
from lichen.node.errors import ApiError
from lichen.node.page import Answer, Moved, Shown, Visit
from lichen.web.access import SESSIONS_SETTING
from lichen.web.framing import CHOICES, LANGUAGE_SETTING
from lichen.words import LANGUAGES, N_

STEPS_OFFERED = (1, 2, 3)


async def show_settings(visit: Visit) -> Answer:
    """Show all settings with what they are."""
    service, local = visit.service, visit.service.store.local
    sessions = local.setting(SESSIONS_SETTING)
    return Shown(
        "web/settings.html",
        {
            "own": service.keyring.id,
            "secret": service.home.secret,
            "directory": service.home.directory,
            "hops": service.hops_max,
            "steps_offered": sorted({*STEPS_OFFERED, service.hops_max}),
            "language": local.setting(LANGUAGE_SETTING) or "",
            "looks": {name: local.setting(name) or choices[0] for name, choices in CHOICES.items()},
            "lan": service.lan.mode,
            "session_count": len(sessions) if isinstance(sessions, dict) else 0,
            "is_saved": "saved" in visit.query,
        },
    )


async def save_settings(visit: Visit) -> Answer:
    """Save the fields of a form. Raises ApiError for a value that cannot be."""
    service, form = visit.service, visit.form
    if "hops" in form:
        service.set_hops(_parse_hops(form["hops"]))
    if "lan" in form:
        await OfflineClient(service).call("lichen.lan", form["lan"])
    if "language" in form:
        chosen = form["language"]
        service.store.local.set_setting(LANGUAGE_SETTING, chosen if chosen in LANGUAGES else None)
    for name, choices in CHOICES.items():
        if form.get(name) in choices:
            service.store.local.set_setting(name, form[name])
    return Moved("/settings?saved")


def _parse_hops(text: str) -> int:
    # Python reads no number of more than 4300 digits.
    if not text.isascii() or not text.isdigit() or len(text) > 9 or int(text) > HOPS_MAX:
        raise ApiError("usage", N_("Steps are a whole number from 0 to {most}.", most=HOPS_MAX))
    return int(text)
