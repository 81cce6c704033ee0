"""The corpus compared with the JavaScript validators: they accept every message, with its key."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

from lichen_peer import split_line

from lichen.lab.corpus import generate_corpus

MESSAGES = 5000


def test_both_validators_accept_every_message_of_a_corpus(
    tmp_path: Path, run_node: Callable[..., list[bytes]], modern_modules: Path
) -> None:
    generate_corpus(MESSAGES, 40, 3, tmp_path)
    lines = gzip.decompress((tmp_path / "corpus.jsonl.gz").read_bytes()).decode().split("\n")[:-1]
    assert len(lines) == MESSAGES
    states: dict[str, dict[str, object]] = {}
    asked, keys = [], []
    for line in lines:
        key, text = split_line(line)
        value = json.loads(text)
        asked.append({"text": text, "state": states.get(value["author"]), "hmacKey": None})
        states[value["author"]] = {"id": key, "sequence": value["sequence"]}
        keys.append(key)
    told = run_node(
        "verdicts.js", [json.dumps(line).encode() for line in asked], str(modern_modules)
    )
    for answer, key in zip(map(json.loads, told), keys, strict=True):
        assert (answer["validate"], answer["classic"], answer["key"]) == (None, None, key)
