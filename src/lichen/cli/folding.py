"""What is not sorted into the views yet, told on standard error by commands that read from them."""

from typing import TYPE_CHECKING

from lichen.cli.output import Output
from lichen.cli.session import member, number_member
from lichen.cli.words import WORDS, _
from lichen.feed.canonical import JsonValue

if TYPE_CHECKING:
    from lichen.node.client import Client


async def tell_missing(out: Output, client: "Client") -> None:
    """Say what the answer of a command does not hold yet; nothing where it holds all."""
    behind = await client.call("lichen.folding")
    if behind is not None:
        out.words(_("Not all is sorted in yet: {progress}").format(progress=progress_words(behind)))


def progress_words(behind: JsonValue) -> str:
    """Return how far folding is, by the answer of ``lichen.folding``."""
    total = int(number_member(behind, "total"))
    words = _("{have} of {all} messages").format(
        have=WORDS.number(total - int(number_member(behind, "messages"))), all=WORDS.number(total)
    )
    if member(behind, "left_s") is None:
        return words
    return _("{progress}, {rate} a second, {left} left").format(
        progress=words,
        rate=WORDS.number(round(number_member(behind, "rate"))),
        left=WORDS.duration(number_member(behind, "left_s")),
    )
