"""Feeds to receive: a few people, written once, with all that the views look at."""

import json
from functools import cache
from random import Random

from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.identity import Identity, generate_identity
from lichen.feed.message import FeedId, FeedState, Message, RawMessage

FORMAT = ClassicFormat()
PEOPLE = 4
MESSAGES = 60
"""Messages of each: with pages of 8 KiB enough for several checkpoints of a small log."""
FOLLOWED = (100, 8, 90)
"""People who are followed in stories: a first number, how many, and how much each has written."""
IMPORTED = (200, 4, 60)
"""People whose messages come from a file."""


class Person:
    """Somebody with a key, all that they ever write, and one message that forks their feed."""

    def __init__(self, number: int) -> None:
        self.identity = generate_identity(Random(number).randbytes(32))
        self.id: FeedId = self.identity.id
        self.messages: list[Message] = []
        self.fork: RawMessage | None = None

    def write(self, content: dict[str, object]) -> Message:
        """Write one more message."""
        last = self.messages[-1] if self.messages else None
        state = None if last is None else FeedState(last.sequence, last.key)
        stamp = 1.6e12 + len(self.messages) * 1000
        message = FORMAT.create(json.dumps(content).encode(), self.identity, state, stamp)
        self.messages.append(message)
        return message

    def after(self, sequence: int, count: int = 10**6) -> list[RawMessage]:
        """Return what follows a sequence, as a peer would give it."""
        return [as_raw(message) for message in self.messages[sequence : sequence + count]]


def as_raw(message: Message) -> RawMessage:
    """Return a message as a peer would give it."""
    return RawMessage(message.author, message.sequence, message.data)


def lowered(message: RawMessage) -> RawMessage:
    """Return what a relay makes of a message without changing its id, which hashes low bytes."""
    return RawMessage(message.author, message.sequence, lowered_text(message.data))


def lowered_text(data: bytes) -> bytes:
    """Return a text with each letter beyond ASCII as the one of its low byte."""
    return "".join(chr(ord(letter) & 0xFF) for letter in data.decode()).encode()


def spoiled(message: RawMessage) -> RawMessage:
    """Return a message with a well-formed signature that does not fit."""
    value = json.loads(message.data)
    value["signature"] = "A" * 86 + "==.sig.ed25519"
    data = json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    return RawMessage(message.author, message.sequence, data)


def identity_of(seed: str) -> Identity:
    """Return the own identity of a life."""
    return generate_identity(Random(seed).randbytes(32))


@cache
def people() -> tuple[Person, ...]:
    """Return everybody who is met in lives under power cuts, one with a forked feed."""
    everybody = crowd(0, PEOPLE, MESSAGES)
    forked = everybody[-1]
    other = Person(PEOPLE - 1)
    other.messages = forked.messages[: MESSAGES // 2]
    forked.fork = as_raw(other.write({"type": "post", "text": "the other branch"}))
    return everybody


@cache
def everybody() -> tuple[Person, ...]:
    """Return all people of lives and of stories."""
    return (*people(), *crowd(*FOLLOWED), *crowd(*IMPORTED))


@cache
def crowd(first: int, count: int, messages: int) -> tuple[Person, ...]:
    """Return some people, the same in each run, who talk to each other."""
    rng = Random(first)
    everybody = tuple(Person(first + number) for number in range(count))
    for number in range(messages):
        for person in everybody:
            person.write(_content(number, everybody, rng))
    return everybody


def _content(number: int, everybody: tuple[Person, ...], rng: Random) -> dict[str, object]:
    other = rng.choice(everybody)
    held = [message.key for message in other.messages]
    kind = rng.choice(("post", "post", "post", "reply", "vote", "contact", "about", "long"))
    if kind == "reply" and held:
        root = rng.choice(held)
        return {"type": "post", "text": f"yes, {number} ⚡", "root": root, "branch": root}
    if kind == "vote" and held:
        return {"type": "vote", "vote": {"link": rng.choice(held), "value": 1, "expression": "❤"}}
    if kind == "contact":
        return {"type": "contact", "contact": other.id, "following": rng.random() < 0.7}
    if kind == "about":
        return {"type": "about", "about": other.id, "name": f"name {number} é"}
    text = f"{number} ša " + "lorem ipsum " * (500 if kind == "long" else rng.randint(1, 30))
    return {"type": "post", "text": text, "channel": rng.choice(("moss", "bark"))}
