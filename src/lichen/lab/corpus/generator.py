"""Writing a corpus: who publishes what when, in the order in which the first author received it.

The folder then holds ``corpus.jsonl.gz`` (a line ``{"key","value","timestamp"}`` each),
``secret`` (the first author's key file), ``follow-graph.json`` (source to target to true, false for
a block, null for neither any more) and ``corpus.json`` (what is in it).
"""

import gzip
import os
from collections import Counter
from collections.abc import Iterator
from heapq import heappop, heappush
from pathlib import Path
from typing import Final

import msgspec

from lichen.feed.canonical import canonicalize, encode_compact
from lichen.feed.formats import ContentError
from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.identity import encode_secret_file
from lichen.feed.message import FeedState, Message, Reason
from lichen.lab.corpus.contents import Content, Contents, name_people
from lichen.lab.corpus.dice import Dice
from lichen.lab.corpus.odd import write_odd_content
from lichen.lab.corpus.people import Author, People

CORPUS_FILE: Final = "corpus.jsonl.gz"
START_MS: Final = 1_577_836_800_000
"""The first message is written at the beginning of 2020."""
PAUSE_MS_MAX: Final = 600_000
"""Time between one message of the network and the next, at most."""
FRACTIONAL_SHARE: Final = 0.05
"""Share of messages with a fractional timestamp."""
ODD_SHARE: Final = 0.008
"""Share of messages with odd JSON."""
NEAR_LIMIT_SHARE: Final = 0.002
"""Share of messages of about the greatest length, some of exactly that."""
TEXT_UNITS_MAX: Final = 8192
COMPRESSION_LEVEL: Final = 6


class CorpusSummary(msgspec.Struct, frozen=True, rename="camel"):
    """What a corpus holds; written beside it as ``corpus.json``."""

    messages: int
    authors: int
    seed: int
    types: dict[str, int]
    longest: int
    """Messages of the longest feed."""
    bytes: int
    """Of the lines, before compression."""
    non_ascii: int
    """Messages whose content is not ASCII."""
    fractional: int
    """Messages with a fractional timestamp."""
    odd: int
    """Messages with odd JSON, those near the greatest length among them."""


class _Draft(msgspec.Struct, frozen=True):
    """What somebody is about to publish; ``content`` where others may refer to it."""

    text: bytes
    kind: str
    content: Content | str | None = None


class _Generator:
    """The network of one corpus, writing."""

    __slots__ = (
        "_bytes",
        "_contents",
        "_counts",
        "_dice",
        "_first_words",
        "_format",
        "_now_ms",
        "_types",
        "people",
    )

    def __init__(self, authors: int, seed: int, hmac_key: bytes | None) -> None:
        self._dice = Dice(seed)
        self._format = ClassicFormat(hmac_key)
        self.people = People(self._dice, authors, name_people(self._dice, authors))
        self._contents = Contents(self._dice, self.people)
        self._first_words = self._introduce()
        self._now_ms = START_MS
        self._types: Counter[str] = Counter()
        self._counts: Counter[str] = Counter()
        self._bytes = 0

    def lines(self, messages: int) -> Iterator[bytes]:
        """Yield the lines in the order received; each feed's messages come in order."""
        under_way: list[tuple[int, int, bytes]] = []
        for number in range(messages):
            author, message = self._next()
            arrival_ms = self._now_ms + author.lag_ms
            heappush(under_way, (arrival_ms, number, _write_line(message, arrival_ms)))
            while under_way and under_way[0][0] <= self._now_ms:
                yield self._arrive(under_way)
        while under_way:
            yield self._arrive(under_way)

    def summary(self, seed: int) -> CorpusSummary:
        """Return what was written."""
        states = [author.state.sequence for author in self.people.authors if author.state]
        return CorpusSummary(
            messages=sum(states),
            authors=len(self.people.authors),
            seed=seed,
            types=dict(sorted(self._types.items(), key=lambda item: (-item[1], item[0]))),
            longest=max(states, default=0),
            bytes=self._bytes,
            non_ascii=self._counts["non-ascii"],
            fractional=self._counts["fractional"],
            odd=self._counts["odd"],
        )

    def _arrive(self, under_way: list[tuple[int, int, bytes]]) -> bytes:
        line = heappop(under_way)[2]
        self._bytes += len(line)
        return line

    def _introduce(self) -> Iterator[tuple[Author, Content]]:
        """Yield what everybody says first: who they are, and whom they follow."""
        contents = self._contents
        yield self.people.authors[0], contents.introduce(self.people.authors[0])
        for author, target in self.people.introductions():
            yield author, contents.contact(author, target, edge=True)
            if author.state is None or author.state.sequence == 1:
                yield author, contents.introduce(author)

    def _next(self) -> tuple[Author, Message]:
        """Publish the network's next message."""
        self._now_ms += 1 + self._dice.small(PAUSE_MS_MAX)
        author, content = next(self._first_words, (None, None))
        if author is None:
            author = self.people.writer()
        author.clock_ms = self._now_ms
        if self._dice.chance(FRACTIONAL_SHARE):
            author.clock_ms += self._dice.between(1, 999) / 1000
        draft = self._draft(author) if content is None else _draft_of(content)
        while (message := self._create(author, draft)) is None:
            draft = self._draft(author)
        author.state = FeedState(message.sequence, message.key)
        if draft.content is not None:
            self._contents.published(draft.content, message.key, author.id)
        self._count(draft, message)
        return author, message

    def _draft(self, author: Author) -> _Draft:
        if self._dice.chance(ODD_SHARE):
            return _Draft(write_odd_content(self._dice).encode(), "odd")
        if self._dice.chance(NEAR_LIMIT_SHARE):
            return self._draft_long(author)
        return _draft_of(self._contents.make(author))

    def _draft_long(self, author: Author) -> _Draft:
        """Return a draft whose message has about the greatest length, or exactly that."""
        units = self._dice.pick(
            (TEXT_UNITS_MAX, TEXT_UNITS_MAX - 1, self._dice.between(7800, TEXT_UNITS_MAX))
        )
        filling = self._dice.pick("xé日")
        content: Content = {"type": "post", "text": ""}
        empty = self._create(author, _draft_of(content))
        assert empty is not None, "an empty post has room"
        indented = canonicalize(empty.data).indented.decode()
        content["text"] = filling * (units - len(indented.encode("utf-16-le")) // 2)
        return _Draft(_draft_of(content).text, "odd")

    def _create(self, author: Author, draft: _Draft) -> Message | None:
        """Sign a draft; None: it is too long to be a message."""
        try:
            return self._format.create(draft.text, author.identity, author.state, author.clock_ms)
        except ContentError as error:
            if error.reason is not Reason.TOO_LONG:
                raise
            return None

    def _count(self, draft: _Draft, message: Message) -> None:
        self._types[draft.kind] += 1
        self._counts["odd"] += draft.kind == "odd"
        self._counts["non-ascii"] += not message.content.isascii()
        self._counts["fractional"] += message.timestamp != int(message.timestamp)


def generate_corpus(
    messages: int, authors: int, seed: int, path: Path, hmac_key: bytes | None = None
) -> CorpusSummary:
    """Write a corpus into a folder, made if need be; return what it holds.

    Raises FileExistsError rather than replace a secret file that is not this corpus' own.
    """
    if messages < 1 or authors < 1:
        raise ValueError("a corpus has at least one message and one author")
    generator = _Generator(authors, seed, hmac_key)
    path.mkdir(parents=True, exist_ok=True)
    _write_secret(path / "secret", generator.people.authors[0])
    # Neither a name nor a time goes into the gzip header: the same seed gives the same file.
    with (
        (path / CORPUS_FILE).open("wb") as raw,
        gzip.GzipFile("", "wb", COMPRESSION_LEVEL, raw, mtime=0) as file,
    ):
        for line in generator.lines(messages):
            file.write(line)
    summary = generator.summary(seed)
    _write_json(path / "corpus.json", msgspec.to_builtins(summary))
    _write_json(path / "follow-graph.json", generator.people.graph)
    return summary


def _draft_of(content: Content | str) -> _Draft:
    kind = "(private)" if isinstance(content, str) else str(content["type"])
    return _Draft(encode_compact(content).encode(), kind, content)


def _write_line(message: Message, received_ms: int) -> bytes:
    return b'{"key":"%b","value":%b,"timestamp":%d}\n' % (
        message.key.encode(),
        message.data,
        received_ms,
    )


def _write_secret(path: Path, author: Author) -> None:
    text = encode_secret_file(author.identity)
    if path.exists():
        if path.read_text(encoding="utf-8") != text:
            raise FileExistsError(f"{path} is somebody else's secret; choose another folder")
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _write_json(path: Path, value: object) -> None:
    path.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
