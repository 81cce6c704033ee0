"""The log: every message as it came, in the order it was received, and the clock in memory.

Messages are only ever appended, and each feed is a chain without gaps. Two validly signed messages
of one feed with the same sequence are kept apart, as proof of a fork, and end that feed here.
``Log`` reads, from any thread; ``LogWriter`` belongs to the writer thread.
"""

from lichen.store.log.marks import feed_mark, link_mark, message_mark
from lichen.store.log.reader import Log
from lichen.store.log.values import Stored, StoredFork
from lichen.store.log.writer import LOG_SCHEMA, LogWriter

__all__ = [
    "LOG_SCHEMA",
    "Log",
    "LogWriter",
    "Stored",
    "StoredFork",
    "feed_mark",
    "link_mark",
    "message_mark",
]
