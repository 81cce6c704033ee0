"""Logs as files: what a person brings along is exactly what other peers get, and go on with."""

import gzip
import json
from pathlib import Path

import pytest
from lichen_peer import LichenPeer, split_line
from peers import PeerError
from scenes import SYNC_S_MAX, MakePeer

from lichen.lab.corpus import generate_corpus

MESSAGES = 1500
AUTHORS = 12


def read_corpus(file: Path) -> list[tuple[str, str, str]]:
    """Return (author, key, exact text) of each line."""
    lines = gzip.decompress(file.read_bytes()).decode().split("\n")[:-1]
    pairs = [split_line(line) for line in lines]
    return [(json.loads(text)["author"], key, text) for key, text in pairs]


def by_author(corpus: list[tuple[str, str, str]]) -> dict[str, list[tuple[str, str]]]:
    feeds: dict[str, list[tuple[str, str]]] = {}
    for author, key, text in corpus:
        feeds.setdefault(author, []).append((key, text))
    return feeds


@pytest.fixture
def corpus_file(tmp_path: Path) -> Path:
    generate_corpus(MESSAGES, AUTHORS, 11, tmp_path / "corpus")
    return tmp_path / "corpus" / "corpus.jsonl.gz"


def test_an_import_gives_the_ids_and_the_bytes_of_the_file(
    tmp_path: Path, corpus_file: Path
) -> None:
    corpus = read_corpus(corpus_file)
    lichen = LichenPeer(tmp_path / "home")
    lichen.command("import", str(corpus_file))
    again = lichen.command("import", str(corpus_file))
    assert again[-1]["accepted"] == 0
    try:
        lichen.start()
        for author, messages in by_author(corpus).items():
            assert lichen.messages(author) == messages
        assert lichen.count() == MESSAGES
    finally:
        lichen.kill()


def test_a_log_of_bare_values_gives_the_same_ids(tmp_path: Path, corpus_file: Path) -> None:
    corpus = read_corpus(corpus_file)
    bare = tmp_path / "values.jsonl"
    bare.write_text("".join(f"{text}\n" for _author, _key, text in corpus))
    lichen = LichenPeer(tmp_path / "home")
    lichen.command("import", str(bare))
    exported = lichen.command("export")
    assert {line["key"] for line in exported} == {key for _author, key, _text in corpus}


def test_one_changed_letter_is_refused_and_with_it_only_the_rest_of_its_feed(
    tmp_path: Path, corpus_file: Path
) -> None:
    corpus = read_corpus(corpus_file)
    number = next(
        n for n, (_a, _k, text) in enumerate(corpus) if '"type":"post"' in text and n > 200
    )
    author, _key, text = corpus[number]
    sequence = json.loads(text)["sequence"]
    changed = [line[2] for line in corpus]
    changed[number] = text.replace('"type":"post"', '"type":"p0st"', 1)
    file = tmp_path / "changed.jsonl"
    file.write_text("".join(f"{line}\n" for line in changed))
    lichen = LichenPeer(tmp_path / "home")
    with pytest.raises(PeerError):
        lichen.command("import", str(file))
    exported = lichen.command("export")
    kept = [line["value"]["sequence"] for line in exported if line["value"]["author"] == author]
    assert sorted(kept) == list(range(1, sequence))
    others = sum(line["value"]["author"] != author for line in exported)
    assert others == sum(line[0] != author for line in corpus)


def test_a_corpus_travels_through_every_kind_of_peer_unchanged(
    make_peer: MakePeer, corpus_file: Path
) -> None:
    feeds = by_author(read_corpus(corpus_file))
    clock = {author: len(messages) for author, messages in feeds.items()}
    modern, lichen, legacy = make_peer("modern"), make_peer("lichen"), make_peer("legacy")
    for peer, friend in ((modern, lichen), (lichen, modern), (legacy, lichen)):
        peer.publish_many(
            [
                {"type": "contact", "contact": feed, "following": True}
                for feed in [*feeds, friend.feed]
            ]
        )
    modern.load(corpus_file)
    lichen.connect(modern.address)
    legacy.connect(lichen.address)
    lichen.wait_for(clock, SYNC_S_MAX)
    legacy.wait_for(clock, SYNC_S_MAX)
    for author, messages in feeds.items():
        for peer in (modern, lichen, legacy):
            assert peer.messages(author) == messages


def test_a_corpus_of_a_network_with_hmac_key_is_taken_there_only(tmp_path: Path) -> None:
    key = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    generate_corpus(60, 3, 5, tmp_path / "corpus", bytes(range(32)))
    file = tmp_path / "corpus" / "corpus.jsonl.gz"
    with_key = LichenPeer(tmp_path / "with", hmac_key=key)
    assert with_key.command("import", str(file))[-1]["accepted"] == 60
    without = LichenPeer(tmp_path / "without")
    with pytest.raises(PeerError):
        without.command("import", str(file))
    assert without.command("export") == []
