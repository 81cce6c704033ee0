"""The corpus: the same for the same seed, valid, connected, and as awkward as it promises."""

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from lichen.feed.content import parse_contact
from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.identity import parse_secret_file
from lichen.feed.message import ChainedMessage, FeedState, Message, RawMessage, Rejected
from lichen.lab.corpus import CorpusSummary, generate_corpus
from lichen.lab.corpus.dice import Dice
from lichen.lab.corpus.generator import CORPUS_FILE
from lichen.lab.corpus.odd import MAKERS

MESSAGES = 3000
AUTHORS = 20
HMAC_KEY = bytes(range(32))


def read_lines(folder: Path) -> list[bytes]:
    return gzip.decompress((folder / CORPUS_FILE).read_bytes()).splitlines()


def value_of(line: bytes) -> bytes:
    """Cut the value out of a line as it stands."""
    found = re.fullmatch(rb'\{"key":"%[^"]+","value":(.*),"timestamp":\d+\}', line, re.DOTALL)
    assert found is not None, line
    return found.group(1)


def check(lines: list[bytes], hmac_key: bytes | None = None) -> list[Message | Rejected]:
    """Believe a log as ingest does, each feed from its start."""
    classic = ClassicFormat(hmac_key)
    states: dict[str, FeedState] = {}
    checked: list[Message | Rejected] = []
    for line in lines:
        raw = classic.parse(value_of(line))
        assert isinstance(raw, RawMessage)
        chained = classic.chain(raw, states.get(raw.author))
        if isinstance(chained, ChainedMessage):
            states[raw.author] = FeedState(chained.sequence, chained.key)
            checked.append(classic.verify(chained))
        else:
            checked.append(chained)
    return checked


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    generate_corpus(MESSAGES, AUTHORS, 7, folder)
    return folder


@pytest.fixture(scope="module")
def messages(folder: Path) -> list[Message]:
    checked = check(read_lines(folder))
    assert [message for message in checked if isinstance(message, Rejected)] == []
    return [message for message in checked if isinstance(message, Message)]


def test_the_same_seed_gives_the_same_files(folder: Path, tmp_path: Path) -> None:
    generate_corpus(MESSAGES, AUTHORS, 7, tmp_path)
    for name in (CORPUS_FILE, "secret", "follow-graph.json", "corpus.json"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def test_another_seed_gives_other_people(folder: Path, tmp_path: Path) -> None:
    generate_corpus(50, AUTHORS, 8, tmp_path)
    ours = {json.loads(line)["value"]["author"] for line in read_lines(folder)}
    theirs = {json.loads(line)["value"]["author"] for line in read_lines(tmp_path)}
    assert not ours & theirs


def test_every_message_is_valid_and_its_key_and_bytes_are_exact(
    folder: Path, messages: list[Message]
) -> None:
    lines = read_lines(folder)
    assert len(messages) == len(lines) == MESSAGES
    for line, message in zip(lines, messages, strict=True):
        assert json.loads(line)["key"] == message.key
        assert value_of(line) == message.data


def test_messages_of_a_network_with_hmac_key_are_valid_there_and_nowhere_else(
    tmp_path: Path,
) -> None:
    generate_corpus(40, 5, 1, tmp_path, HMAC_KEY)
    lines = read_lines(tmp_path)
    assert all(isinstance(message, Message) for message in check(lines, HMAC_KEY))
    assert not any(isinstance(message, Message) for message in check(lines))


def test_the_secret_is_that_of_the_first_author_and_private(folder: Path) -> None:
    secret = folder / "secret"
    identity = parse_secret_file(secret.read_text())
    first = json.loads(read_lines(folder)[0])["value"]
    assert (first["author"], first["sequence"]) == (identity.id, 1)
    assert secret.stat().st_mode & 0o077 == 0


def test_a_secret_that_lies_there_already_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("precious")
    with pytest.raises(FileExistsError):
        generate_corpus(10, 2, 1, tmp_path)
    assert (tmp_path / "secret").read_text() == "precious"


def test_the_awkward_part_has_its_share(folder: Path, messages: list[Message]) -> None:
    non_ascii = sum(not message.content.isascii() for message in messages)
    fractional = sum(message.timestamp % 1 != 0 for message in messages)
    odd = [message for message in messages if b'"type":"odd-' in message.content]
    lengths = [
        len(json.dumps(json.loads(message.data), indent=2, ensure_ascii=False).encode("utf-16-le"))
        // 2
        for message in messages
    ]
    assert non_ascii >= MESSAGES * 0.20
    assert MESSAGES * 0.035 < fractional < MESSAGES * 0.065
    assert MESSAGES * 0.004 < len(odd) < MESSAGES * 0.02
    assert max(lengths) > 8100
    assert len({message.content.split(b'"')[3] for message in odd}) >= 4
    summary = json.loads((folder / "corpus.json").read_bytes())
    assert (summary["nonAscii"], summary["fractional"]) == (non_ascii, fractional)


def test_all_common_types_are_there(folder: Path) -> None:
    counted = json.loads((folder / "corpus.json").read_bytes())
    common = "post vote contact about channel pub gathering git-repo git-update blog (private)"
    assert set(common.split()) <= set(counted["types"])
    assert sum(counted["types"].values()) == counted["messages"] == MESSAGES


def test_threads_answer_messages_that_were_written_before(messages: list[Message]) -> None:
    sequence_of = {message.key: message.timestamp for message in messages}
    replies = 0
    for message in messages:
        content = json.loads(message.content)
        if isinstance(content, dict) and content.get("type") == "post" and "root" in content:
            replies += 1
            branch = content["branch"]
            for answered in [content["root"], *(branch if isinstance(branch, list) else [branch])]:
                assert sequence_of[answered] < message.timestamp
    assert replies > 100


def test_few_write_much_and_many_write_little(messages: list[Message]) -> None:
    counts: dict[str, int] = {}
    for message in messages:
        counts[message.author] = counts.get(message.author, 0) + 1
    ranked = sorted(counts.values(), reverse=True)
    assert len(ranked) == AUTHORS
    assert sum(ranked[:5]) > sum(ranked[10:]) * 1.5


def test_the_graph_is_that_of_the_messages_and_connected(
    folder: Path, messages: list[Message]
) -> None:
    graph = json.loads((folder / "follow-graph.json").read_bytes())
    words = {1: True, -1: False, -2: None}
    folded: dict[str, dict[str, bool | None]] = {}
    for message in messages:
        contact = parse_contact(message)
        if contact is not None:
            folded.setdefault(contact.source, {})[contact.target] = words[contact.value]
    assert graph == folded
    reached = {messages[0].author}
    frontier = list(reached)
    while frontier:
        for target, edge in graph.get(frontier.pop(), {}).items():
            if edge and target not in reached:
                reached.add(target)
                frontier.append(target)
    assert len(reached) == AUTHORS


def test_a_corpus_can_be_tiny(tmp_path: Path) -> None:
    summary = generate_corpus(1, 1, 1, tmp_path)
    assert isinstance(summary, CorpusSummary)
    assert (summary.messages, summary.authors, summary.longest) == (1, 1, 1)
    with pytest.raises(ValueError, match="at least one"):
        generate_corpus(0, 1, 1, tmp_path)


@pytest.mark.parametrize("maker", sorted(set(MAKERS), key=lambda maker: maker.__name__))
def test_every_odd_content_is_json_with_a_type(maker: Callable[[Dice], str]) -> None:
    dice = Dice(3)
    texts = {maker(dice) for _ in range(30)}
    assert len(texts) > 1
    kinds = {json.loads(text)["type"] for text in texts}
    assert all(3 <= len(kind.encode("utf-16-le")) // 2 <= 52 for kind in kinds)
