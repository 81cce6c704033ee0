"""What was promised before the power went: to the person, and to the peers, who remember it."""

from copy import deepcopy
from typing import Self

import msgspec

from lichen.feed.message import BlobId, FeedId, MsgId


class Published(msgspec.Struct, frozen=True):
    """The publisher was told of an own message."""

    sequence: int
    key: MsgId


class Told(msgspec.Struct, frozen=True):
    """In a session a peer was told how far each feed is held here."""

    peer: FeedId
    clock: dict[FeedId, int]


class Asked(msgspec.Struct, frozen=True):
    """A change was asked for that may be on the disk from now on."""

    change: str
    value: bool


class Done(msgspec.Struct, frozen=True):
    """A change is said to be on the disk."""

    change: str
    value: bool


class Noted(msgspec.Struct, frozen=True):
    """A note was written; a power cut may take the last ones back."""

    number: int


class BlobKept(msgspec.Struct, frozen=True):
    """A blob is said to be here."""

    blob: BlobId
    data: bytes


class BlobDropped(msgspec.Struct, frozen=True):
    """A blob is going to be thrown away."""

    blob: BlobId


Promise = Published | Told | Asked | Done | Noted | BlobKept | BlobDropped


class Memory:
    """All promises so far."""

    def __init__(self) -> None:
        self.own: dict[int, MsgId] = {}
        self.told: dict[FeedId, dict[FeedId, int]] = {}
        self.states: dict[str, set[bool]] = {"bound": {False}, "guarded": {False}, "clean": {True}}
        """What may be on the disk of each fact that is written durably."""
        self.noted = 0
        self.halved: set[int] = set()
        """Notes of which an earlier power cut left only the beginning."""
        self.blobs: dict[BlobId, bytes] = {}

    def copy(self) -> Self:
        """Return one that goes its own way."""
        return deepcopy(self)

    def hear(self, promise: Promise) -> None:
        """Add a promise."""
        match promise:
            case Published(sequence, key):
                self.own[sequence] = key
            case Told(peer, clock):
                self.told[peer] = clock
            case Asked(change, value):
                self.states[change].add(value)
            case Done(change, value):
                self.states[change] = {value}
            case Noted(number):
                self.noted = number
            case BlobKept(blob, data):
                self.blobs[blob] = data
            case BlobDropped(blob):
                self.blobs.pop(blob, None)
