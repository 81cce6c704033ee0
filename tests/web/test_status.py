"""The status page says what is the matter, what it means and what helps, in plain words."""

import re
from collections.abc import Callable
from typing import Any

from lichen.gossip import events
from lichen.node.paths import segment_of
from lichen.store.errors import DAMAGED, StoreReadFailed

Play = Callable[[Any], None]
TITLES = {
    "en": {
        "Kinds of messages, and links", "Who follows and blocks whom", "Threads", "Channels",
        "Names and pictures of people", "Likes", "Words, for searching",
    },
    "de": {
        "Arten von Nachrichten, und Verweise", "Wer wem folgt und wen blockiert", "Threads",
        "Kanäle", "Namen und Bilder von Leuten", "Gefällt mir", "Wörter, zum Suchen",
    },
}  # fmt: skip


def findings(page: str) -> list[str]:
    return re.findall(r'<div class="notice (\w+)">.*?<b>(.*?)</b>', page)


def test_views_have_plain_names(visit: Play) -> None:
    async def scene(house: Any) -> None:
        for language, titles in TITLES.items():
            page = (await house.get("/status", {"accept-language": language})).text
            shown = page.partition('id="views"')[2].partition("</section>")[0]
            assert set(re.findall("<dt>(.*?)</dt>", shown)) == titles, language

    visit(scene)


def test_a_peer_that_passed_on_what_was_not_signed_is_told_until_it_is_blocked(
    visit: Play, writer: Any
) -> None:
    async def scene(house: Any) -> None:
        crook, victim = writer(1), writer(2)
        crook.write(type="about", about=crook.id, name="Crooked Carl")
        await house.receive(crook)
        assert "Trust" not in (await house.get("/status")).text
        house.service.shell.deliver(events.AuditFailed(victim.id, 7, crook.id))
        page = (await house.get("/status")).text
        assert ("warn", "Trust") in findings(page)
        assert "1 peer once passed on what its author had not signed." in page
        assert "A disk or a program may be broken there" in page
        assert f'<a class="name" href="/people/{segment_of(crook.id)}"><bdi>Crooked Carl' in page
        assert (await house.call("status"))["distrustedPeers"] == [crook.id]
        (found,) = (each for each in await house.call("lichen.doctor") if each["check"] == "trust")
        assert found["feeds"] == [crook.id]
        assert (await house.post("/status/trust", {"peer": crook.id})).status_code == 303
        assert "Trust" not in (await house.get("/status")).text
        refused = await house.post("/status/trust", {"peer": crook.id})
        assert "is not doubted" in refused.text
        house.service.shell.deliver(events.AuditFailed(victim.id, 7, crook.id))
        assert ("warn", "Trust") in findings((await house.get("/status")).text)
        await house.call("social.block", {"id": crook.id})
        assert "Trust" not in (await house.get("/status")).text
        assert (await house.call("status"))["distrustedPeers"] == []

    visit(scene)


def test_damage_that_was_met_is_told_with_what_mends_it(
    visit: Play, writer: Any, monkeypatch: Any
) -> None:
    async def scene(house: Any) -> None:
        anna = writer(1)
        key = anna.write(type="post", text="hello")
        await house.receive(anna)
        assert "lichen fsck" not in (await house.get("/status")).text

        def fail(*_: Any) -> None:
            raise StoreReadFailed(DAMAGED)

        with monkeypatch.context() as patch:
            patch.setattr(house.service.store.log.__class__, "get", fail)
            page = await house.get(f"/message/{segment_of(key)}")
        assert page.status_code == 500
        assert "lichen fsck --heal" in page.text
        page = (await house.get("/status")).text
        assert ("bad", "Log") in findings(page)
        assert "lichen fsck --heal" in page
        assert '<a class="bar-state" href="/status"' in page
        assert "Something on the disk is damaged" in (await house.get("/people")).text
        assert (await house.call("status"))["damage"] == DAMAGED

    visit(scene)
