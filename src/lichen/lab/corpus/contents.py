"""What people publish: one maker for each common type of message.

Shapes are those that the clients of the network write (ssb-typescript, ssb-git-repo, patchcore).
Hosts end in ``.invalid``, so that nobody ever dials them.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from lichen.feed.canonical import JsonValue
from lichen.feed.message import FeedId, MsgId
from lichen.lab.corpus.dice import Dice, Weighted
from lichen.lab.corpus.people import Author, People
from lichen.lab.corpus.texts import CHANNELS, EXPRESSIONS, write_text, write_words

Content = dict[str, JsonValue]

RECENT_MESSAGES: Final = 800
RECENT_THREADS: Final = 150
HEADS_MAX: Final = 3


class Thread:
    """A thread as its writers know it: the root, and the messages that nobody answered yet."""

    __slots__ = ("author", "heads", "root")

    def __init__(self, root: MsgId, author: FeedId) -> None:
        self.root = root
        self.author = author
        self.heads: list[MsgId] = [root]


class Contents:
    """Makes contents that fit what was published before."""

    __slots__ = ("_dice", "_gatherings", "_messages", "_people", "_repos", "_threads")

    def __init__(self, dice: Dice, people: People) -> None:
        self._dice = dice
        self._people = people
        self._messages: deque[tuple[MsgId, FeedId]] = deque(maxlen=RECENT_MESSAGES)
        self._threads: deque[Thread] = deque(maxlen=RECENT_THREADS)
        self._repos: list[MsgId] = []
        self._gatherings: list[MsgId] = []

    def make(self, author: Author) -> Content | str:
        """Return the next content of an author; a string is private text."""
        maker = MAKERS[self._dice.weighted(_WEIGHTS)][1]
        return maker(self, author)

    def published(self, content: Content | str, key: MsgId, author: FeedId) -> None:
        """Remember what others may now like, answer and mention."""
        if isinstance(content, str):
            return
        self._messages.append((key, author))
        kind = content.get("type")
        if kind in {"post", "blog"} and "root" not in content:
            self._threads.append(Thread(key, author))
        elif kind == "post":
            self._grow_thread(content, key)
        elif kind == "git-repo":
            self._repos.append(key)
        elif kind == "gathering":
            self._gatherings.append(key)

    def contact(self, author: Author, target: Author, edge: bool | None) -> Content:
        """Return a contact message and remember the edge."""
        self._people.set_edge(author, target, edge)
        content: Content = {"type": "contact", "contact": target.id}
        if edge is None:
            content["following"] = False
            if self._dice.chance(0.3):
                content["blocking"] = False
        elif edge:
            content["following"] = True
            if self._dice.chance(0.1):
                content |= {"autofollow": True, "pub": True}
        else:
            content |= {"following": False, "blocking": True}
            if self._dice.chance(0.3):
                content["reason"] = write_words(self._dice, 4)
        return content

    def introduce(self, author: Author) -> Content:
        """Return an author's first words about themselves."""
        content: Content = {"type": "about", "about": author.id, "name": author.name}
        if self._dice.chance(0.6):
            content["image"] = self._image()
        if self._dice.chance(0.5):
            content["description"] = write_text(self._dice)
        return content

    def _grow_thread(self, content: Content, key: MsgId) -> None:
        branch = content.get("branch")
        answered = branch if isinstance(branch, list) else [branch]
        for thread in self._threads:
            if thread.root == content.get("root"):
                thread.heads = [head for head in thread.heads if head not in answered]
                thread.heads = [*thread.heads, key][-HEADS_MAX:]

    def _post(self, author: Author) -> Content:
        dice = self._dice
        content: Content = {"type": "post"}
        if self._threads and dice.chance(0.6):
            thread = dice.recent(self._threads)
            heads: list[JsonValue] = list(thread.heads)
            content["root"] = thread.root
            content["branch"] = heads[0] if len(heads) == 1 else heads
            if dice.chance(0.2):
                content["reply"] = {thread.root: thread.author}
        mentions = self._mentions()
        links = "".join(f" [{_name(mention)}]({_link(mention)})" for mention in mentions)
        content["text"] = write_text(dice) + links
        if dice.chance(0.2):
            content["channel"] = dice.pick(CHANNELS)
        if mentions or dice.chance(0.4):
            content["mentions"] = mentions
        if dice.chance(0.02):
            content["contentWarning"] = write_words(dice, 2)
        return content

    def _mentions(self) -> list[JsonValue]:
        dice = self._dice
        mentions: list[JsonValue] = []
        if dice.chance(0.15):
            friend = self._people.somebody()
            mentions.append({"link": friend.id, "name": friend.name})
        if dice.chance(0.08):
            image = self._image()
            mentions.append(image | {"name": f"{write_words(dice, 1)}.png"})
        if self._messages and dice.chance(0.05):
            mentions.append({"link": dice.recent(self._messages)[0], "name": "this"})
        if dice.chance(0.04):
            mentions.append({"link": f"#{dice.pick(CHANNELS)}", "name": "channel"})
        return mentions

    def _image(self) -> dict[str, JsonValue]:
        dice = self._dice
        return {
            "link": self._blob(),
            "type": dice.pick(("image/jpeg", "image/png", "image/gif")),
            "size": dice.between(300, 4_000_000),
            "width": dice.between(16, 4000),
            "height": dice.between(16, 4000),
        }

    def _blob(self) -> str:
        return f"&{self._dice.base64(32)}.sha256"

    def _vote(self, _author: Author) -> Content:
        link = self._any_message()
        value = 1 if self._dice.chance(0.96) else self._dice.pick((0, -1))
        vote: Content = {"link": link, "value": value}
        if self._dice.chance(0.9):
            vote["expression"] = self._dice.pick(EXPRESSIONS)
        return {"type": "vote", "vote": vote}

    def _any_message(self) -> str:
        if not self._messages or self._dice.chance(0.02):
            return f"%{self._dice.base64(32)}.sha256"
        return self._dice.recent(self._messages)[0]

    def _contact(self, author: Author) -> Content:
        target = self._people.somebody()
        if target is author:
            return self._post(author)
        return self.contact(author, target, self._people.change_of_mind(author, target))

    def _about(self, author: Author) -> Content:
        if self._dice.chance(0.5):
            return self.introduce(author)
        other = self._people.somebody()
        return {"type": "about", "about": other.id, "name": write_words(self._dice, 1)}

    def _private(self, _author: Author) -> str:
        return f"{self._dice.base64(self._dice.between(150, 1500))}.box"

    def _channel(self, _author: Author) -> Content:
        subscribed = self._dice.chance(0.8)
        return {"type": "channel", "channel": self._dice.pick(CHANNELS), "subscribed": subscribed}

    def _pub(self, _author: Author) -> Content:
        key = self._people.somebody().id
        host = f"pub{self._dice.below(30)}.invalid"
        if self._dice.chance(0.2):
            address = f"net:{host}:8008~shs:{key[1:].removesuffix('.ed25519')}"
            return {"type": "pub", "address": address}
        return {"type": "pub", "address": {"host": host, "port": 8008, "key": key}}

    def _gathering(self, author: Author) -> Content:
        dice = self._dice
        if not self._gatherings or dice.chance(0.2):
            return {"type": "gathering"}
        event = dice.recent(self._gatherings)
        if dice.chance(0.5):
            attendee: Content = {"link": author.id}
            if dice.chance(0.2):
                attendee["remove"] = True
            return {"type": "about", "about": event, "attendee": attendee}
        return {
            "type": "about",
            "about": event,
            "title": write_words(dice, 4),
            "description": write_text(dice),
            "location": write_words(dice, 3),
            "startDateTime": {
                "epoch": int(author.clock_ms) + dice.between(1, 90) * 86_400_000,
                "tz": dice.pick(("Europe/Lisbon", "Pacific/Auckland", "America/Mexico_City")),
                "bias": dice.pick((-60, 0, 180, -330)),
                "silent": False,
            },
        }

    def _git(self, _author: Author) -> Content:
        dice = self._dice
        if not self._repos or dice.chance(0.1):
            return {"type": "git-repo", "name": f"{dice.pick(CHANNELS)}-{dice.below(100)}"}
        newest = dice.hexadecimal()
        commits: list[JsonValue] = [
            {
                "sha1": newest if number == 0 else dice.hexadecimal(),
                "title": write_words(dice, dice.between(2, 8)),
                "parents": [dice.hexadecimal()],
            }
            for number in range(dice.between(1, 6))
        ]
        return {
            "type": "git-update",
            "repo": dice.recent(self._repos),
            "refs": {f"refs/heads/{dice.pick(('main', 'master', 'fix'))}": newest},
            "packs": [{"link": self._blob(), "size": dice.between(200, 900_000)}],
            "indexes": [{"link": self._blob(), "size": dice.between(1000, 9000)}],
            "commits": commits,
            "num_objects": dice.between(3, 400),
            "object_ids": [dice.hexadecimal() for _ in range(dice.below(12))],
        }

    def _blog(self, _author: Author) -> Content:
        return {
            "type": "blog",
            "title": write_words(self._dice, 5),
            "summary": write_text(self._dice),
            "thumbnail": self._blob(),
            "blog": self._blob(),
            "mentions": [],
        }

    def _unknown(self, author: Author) -> Content:
        dice = self._dice
        kinds = ("chess_move", "poll", "bookclub", "tag", "dark-crystal/shard", "ferment/audio")
        return {
            "type": dice.pick(kinds),
            "root": self._any_message(),
            "details": {
                "of": author.id,
                "list": [dice.below(100), True, write_words(dice, 2)],
                "next": None,
            },
            "version": {"v1": {}},
        }


Maker = Callable[[Contents, Author], Content | str]

MAKERS: Final[tuple[tuple[float, Maker], ...]] = (
    (38, Contents._vote),
    (31, Contents._post),
    (10, Contents._private),
    (8, Contents._contact),
    (3.5, Contents._about),
    (3, Contents._channel),
    (1.5, Contents._git),
    (1.5, Contents._gathering),
    (1, Contents._pub),
    (0.7, Contents._blog),
    (1.8, Contents._unknown),
)
"""Maker by weight; roughly the shares of the public network."""

_WEIGHTS = Weighted([weight for weight, _maker in MAKERS])


def _name(mention: JsonValue) -> JsonValue:
    assert isinstance(mention, dict), "mentions are made above"
    return mention["name"]


def _link(mention: JsonValue) -> JsonValue:
    assert isinstance(mention, dict), "mentions are made above"
    return mention["link"]


def name_people(dice: Dice, count: int) -> list[str]:
    """Return names, some of them in other scripts."""
    return [write_words(dice, dice.between(1, 2)) for _ in range(count)]
