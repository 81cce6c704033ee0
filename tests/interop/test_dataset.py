"""Every case of the published ssb-validation-dataset gets the verdict and the id it names."""

from pathlib import Path
from typing import Any

import msgspec

from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.identity import parse_hmac_key
from lichen.feed.message import FeedState, Message, MsgId, Rejected


class Case(msgspec.Struct):
    """A case; the message stays as it is written, since the order of its members counts."""

    state: dict[str, Any] | None
    hmacKey: Any  # noqa: N815 (the name in the file)
    message: msgspec.Raw
    error: str | None
    valid: bool
    id: str | None


def judge(case: Case) -> Message | Rejected | None:
    try:
        hmac_key = None if case.hmacKey is None else parse_hmac_key(case.hmacKey)
    except (TypeError, ValueError):
        return None
    message_format = ClassicFormat(hmac_key)
    raw = message_format.parse(bytes(case.message))
    if isinstance(raw, Rejected):
        return raw
    state = case.state and FeedState(case.state["sequence"], MsgId(case.state["id"]))
    chained = message_format.chain(raw, state)
    return chained if isinstance(chained, Rejected) else message_format.verify(chained)


def test_every_case_of_the_dataset(modern_modules: Path) -> None:
    data = (modern_modules / "ssb-validation-dataset" / "data.json").read_bytes()
    cases = msgspec.json.decode(data, type=list[Case])
    assert len(cases) > 100
    for case in cases:
        verdict = judge(case)
        assert isinstance(verdict, Message) is case.valid, (case.error, verdict)
        if isinstance(verdict, Message):
            assert verdict.key == case.id
