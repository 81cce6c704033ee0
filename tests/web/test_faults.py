"""A fault of the peer is a page in the language of the browser."""

from types import SimpleNamespace
from typing import Any

import pytest

from lichen.node.errors import ApiError
from lichen.store.errors import DraftRefused
from lichen.web.application import _fault_page
from lichen.words import N_, words_for


@pytest.mark.parametrize(
    ("fault", "status", "message", "hint"),
    [
        (
            ApiError("not-found", N_("The message {id} is not here.", id="%x")),
            404,
            "Die Nachricht %x ist nicht hier.",
            "",
        ),
        (
            DraftRefused(7),
            507,
            "Dieser Text ist zu lang für einen Entwurf: Er darf 7 Bytes haben.",
            "Kopiere ihn in eine Datei und schreib ihn in mehreren Teilen.",
        ),
        (ApiError("failed", "schon gesagt"), 500, "schon gesagt", ""),
    ],
)
def test_faults_speak_the_language_of_the_browser(
    fault: Any, status: int, message: str, hint: str
) -> None:
    visit: Any = SimpleNamespace(words=words_for("de"), form={"text": "typed"})
    page = _fault_page(fault, visit)
    assert page.status == status
    assert page.data == {"message": message, "hint": hint, "typed": {"text": "typed"}}
