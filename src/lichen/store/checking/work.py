"""What is done beside the writer: messages are read and chained alone, some signatures checked."""

from collections.abc import Sequence
from typing import Final

import msgspec

from lichen.feed.content import is_due
from lichen.feed.formats import FeedFormat
from lichen.feed.lines import chain_lines
from lichen.feed.message import ChainedMessage, Message, as_verified

VERIFIED_ONE_IN: Final = 5
"""Of so many messages one signature at most is checked here, if it is due at once."""
LEFT_ONE_IN: Final = 3
"""Of so many signatures that are due in a file one is left to the writer, which has nobody to talk
to meanwhile. So both processes have about as much to do, whether few or many signatures are due."""


class Chained(msgspec.Struct, array_like=True):
    """What some texts came to, each by itself.

    ``messages``: None is what was refused, blank or no message: somebody has to find the reason.
    ``verified``: the places of those whose signature was checked, and holds. ``claimed``: by place,
    the ids that a file gives messages that have another.
    """

    messages: list[ChainedMessage | None]
    verified: list[int]
    claimed: dict[int, str]

    def found(self) -> list[ChainedMessage | Message | None]:
        """Return the messages, those verified as such."""
        found: list[ChainedMessage | Message | None] = [*self.messages]
        for place in self.verified:
            message = self.messages[place]
            assert message is not None, "its signature was checked"
            found[place] = as_verified(message)
        return found


def chain_texts(texts: Sequence[bytes], feed_format: FeedFormat) -> Chained:
    """Chain each text."""
    found = map(feed_format.chain_text, texts)
    messages = [each if isinstance(each, ChainedMessage) else None for each in found]
    return Chained(messages, _verify_some(messages, feed_format, is_file=False), {})


def chain_block(block: bytes, feed_format: FeedFormat) -> Chained:
    """Chain each line of a block of lines."""
    messages, claimed = chain_lines(block, feed_format)
    return Chained(messages, _verify_some(messages, feed_format, is_file=True), claimed)


def _verify_some(
    messages: Sequence[ChainedMessage | None], feed_format: FeedFormat, *, is_file: bool
) -> list[int]:
    verified: list[int] = []
    due = 0
    for place, message in enumerate(messages):
        if message is None or place < len(verified) * VERIFIED_ONE_IN or not is_due(message):
            continue
        due += 1
        is_left = is_file and due % LEFT_ONE_IN == 0
        if not is_left and feed_format.is_signed(message.author, message.data):
            verified.append(place)
    return verified
