"""A made-up village: people with names in several scripts, threads, and a peer among them.

Everything is signed here and brought in as a file, so a page shows it as it shows what came over
the network. What they say is ours; none of these people exist.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import orjson
from peers import wait_until
from windows import WebPeer

from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.identity import generate_identity
from lichen.feed.message import FeedId, FeedState, MsgId

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS


class Person:
    """Somebody with a feed of their own and no peer."""

    def __init__(self, number: int, name: str = "") -> None:
        self.identity = generate_identity(number.to_bytes(32, "big"))
        self.id: FeedId = self.identity.id
        self.lines: list[bytes] = []
        self._state: FeedState | None = None
        if name:
            self.say(type="about", about=self.id, name=name)

    def say(self, at_ms: float | None = None, **content: Any) -> MsgId:
        """Sign a message and return its id."""
        message = ClassicFormat().create(
            json.dumps(content).encode(), self.identity, self._state, at_ms or now_ms() - 9 * DAY_MS
        )
        self._state = FeedState(message.sequence, message.key)
        self.lines.append(
            orjson.dumps(
                {"key": message.key, "value": orjson.Fragment(message.data), "timestamp": 0}
            )
        )
        return message.key

    def post(self, ago_ms: float, text: str, **content: Any) -> MsgId:
        """Sign a post that was written so long ago."""
        return self.say(now_ms() - ago_ms, type="post", text=text, **content)

    def follow(self, *people: "Person | FeedId") -> None:
        """Follow people."""
        for person in people:
            target = person.id if isinstance(person, Person) else person
            self.say(type="contact", contact=target, following=True)

    def like(self, key: MsgId, expression: str = "") -> None:
        """Like a message."""
        self.say(type="vote", vote={"link": key, "value": 1, "expression": expression})


class Village(msgspec.Struct):
    """The peer, its neighbour, and what there is to look at."""

    peer: WebPeer
    neighbour: WebPeer
    folder: Path
    people: dict[str, Person]
    messages: dict[str, MsgId]


def now_ms() -> float:
    """Return the time as messages carry it."""
    return float(int(time.time() * 1000))


def bring(peer: WebPeer, file: Path, *people: Person) -> None:
    """Bring what people have signed since the last time into a peer."""
    file.write_bytes(b"".join(line + b"\n" for person in people for line in person.lines))
    for person in people:
        person.lines.clear()
    peer.load(file)


def settle_village(start: Callable[..., WebPeer], folder: Path) -> Village:
    """Start the peer of Maren Holm and the one of Ilse Quandt, with everybody they know."""
    village = Village(start(), start(), folder, _people(), {})
    peer, ilse = village.peer, village.neighbour
    ilse.publish({"type": "about", "about": ilse.feed, "name": "Ilse Quandt"})
    peer.publish({"type": "about", "about": peer.feed, "name": "Maren Holm"})
    peer.publish(
        {
            "type": "about",
            "about": peer.feed,
            "description": "Beekeeper, badly. I mend **clocks** and answer slowly, on paper if"
            " you like. North side of the common, second gate.",
        }
    )
    _talk(village)
    followed = ("joaquin", "wanjiru", "aoi", "lidia", "salma", "petter")
    for name in followed:
        peer.follow(village.people[name].id)
    peer.follow(ilse.feed)
    ilse.follow(peer.feed)
    peer.publish({"type": "about", "about": village.people["petter"].id, "name": "Old Petter"})
    peer.block(village.people["seller"].id)
    peer.connect(ilse.address)
    wait_until(lambda: ilse.feed in peer.connected())
    wait_until(lambda: ilse.received(peer.feed) >= peer.call("status")["ownSequence"])
    return village


def _people() -> dict[str, Person]:
    names = {
        "joaquin": "Joaquín Ibarra",
        "wanjiru": "Wanjirũ Kamau",
        "aoi": "小林あおい",
        "lidia": "Лідія Бондар",
        "ruth": "רות אלמוג",
        "salma": "سلمى منصور",
        "petter": "harbour_master_1951",
        "twin": "Joaquin Ibarra",
        "seller": "Coin Friend 777",
        "siobhan": "Siobhán Ní Riain",
    }
    return {key: Person(number, name) for number, (key, name) in enumerate(names.items(), 1)}


def _talk(village: Village) -> None:
    people, said, peer = village.people, village.messages, village.peer
    joaquin, wanjiru, aoi = people["joaquin"], people["wanjiru"], people["aoi"]
    lidia, ruth, salma = people["lidia"], people["ruth"], people["salma"]
    petter, siobhan = people["petter"], people["siobhan"]
    for person in (joaquin, wanjiru, lidia, petter):
        person.follow(peer.feed, *(other for other in (joaquin, wanjiru, aoi) if other != person))
    wanjiru.follow(ruth, siobhan)
    aoi.follow(siobhan)
    joaquin.say(
        type="about",
        about=joaquin.id,
        description="I build ovens out of what other people throw away. *Clay, straw, patience.*",
    )
    wanjiru.say(type="about", about=petter.id, name="Petter from the pier")
    said["lichen"] = aoi.post(
        3 * DAY_MS,
        "水門の石垣で、地図みたいな地衣類を見つけました。百年で三センチ。急がないのがいいですね。",
        channel="lichen",
    )
    said["garden"] = lidia.post(
        27 * HOUR_MS,
        "Перший сніг. Накрила троянди мішками з-під кави, тепер пахне на весь сад.\n\n"
        "> Хто має зайву солому, озвіться до неділі.",
    )
    said["care"] = petter.post(
        20 * HOUR_MS,
        "They kept me two nights and let me go with a new battery. I am home, the cat is offended.",
        contentWarning="hospital, with a good end",
    )
    said["oil"] = salma.post(
        6 * HOUR_MS,
        "وصل زيت الزيتون الجديد. من عنده زجاجات فارغة فليأتِ بها مساء الخميس، والخبز علينا.",
        channel="bread",
    )
    said["oven"] = joaquin.post(
        5 * HOUR_MS,
        "# The oven is dry\n\nEleven days under the tarpaulin, and this morning it rang like a"
        " bell when I knocked. First fire on Saturday, a *small* one. Thank you"
        f" [@Wanjirũ]({wanjiru.id}) for the sand, and for telling me to wait. #bread",
        mentions=[{"link": wanjiru.id, "name": "Wanjirũ"}, {"link": "#bread"}],
        channel="bread",
    )
    bring(peer, village.folder / "first.jsonl", *people.values())
    _answer(village)


def _answer(village: Village) -> None:
    people, said, peer = village.people, village.messages, village.peer
    joaquin, wanjiru, petter = people["joaquin"], people["wanjiru"], people["petter"]
    ruth, seller, siobhan = people["ruth"], people["seller"], people["siobhan"]
    root = said["oven"]

    def reply(who: Person, ago_ms: float, text: str, branch: MsgId, **more: Any) -> MsgId:
        return who.post(ago_ms, text, root=root, branch=branch, **more)

    small = reply(
        wanjiru,
        4 * HOUR_MS,
        "A small one, and then a smaller one. If it cracks, it cracks where you can see it.",
        root,
    )
    said["reply"] = reply(
        petter, 200 * MINUTE_MS, "I have birch, split, two winters old. Who has a cart?", small
    )
    spam = reply(seller, 190 * MINUTE_MS, "Ovens are over. Ask me about coins!!!", root)
    missing = MsgId("%" + "M" * 42 + "A=.sha256")
    lost = reply(siobhan, 170 * MINUTE_MS, "What she said. Also: whose is the tarpaulin?", missing)
    plan = reply(
        joaquin,
        150 * MINUTE_MS,
        "The plan, so that nobody says there was none:\n\n"
        "| when | what | who |\n|---|---|---|\n| 14:00 | first fire | Joaquín |\n"
        "| 16:30 | flat bread, to test | everybody |\n| 19:00 | the real loaves | Maren |\n\n"
        "```\nflour   6 kg      water  3.9 l\nsalt  120 g       leaven 1.2 kg\n```",
        said["reply"],
    )
    said["hebrew"] = reply(
        ruth, 40 * MINUTE_MS, "אני מביאה זעתר, ושני ילדים שאוכלים הכול. נתראה בשבת!", plan
    )
    for person in (wanjiru, petter, siobhan, ruth):
        person.like(root, "🔥")
    for person in (petter, ruth):
        person.like(plan, "")
    wanjiru.like(plan, "🍞")
    said["unknown"] = siobhan.say(
        now_ms() - HOUR_MS, type="gathering", title="First fire", startDateTime={"epoch": 1}
    )
    said["walk"] = siobhan.post(8 * HOUR_MS, "A walk along the river, for whoever is awake.")
    said["side"] = siobhan.post(
        30 * MINUTE_MS, "The tarpaulin is mine, by the way.", root=lost, branch=lost, fork=root
    )
    said["spam"] = spam
    bring(peer, village.folder / "second.jsonl", *people.values())
