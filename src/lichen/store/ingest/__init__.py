"""From claimed messages to decided ones: chain, signature, place; nothing is written."""

from lichen.store.ingest.deciding import decide
from lichen.store.ingest.values import (
    Claimed,
    Decided,
    Grown,
    HeldLog,
    IngestResult,
    Kept,
    Pass,
    Signatures,
    Unaudited,
)

__all__ = [
    "Claimed",
    "Decided",
    "Grown",
    "HeldLog",
    "IngestResult",
    "Kept",
    "Pass",
    "Signatures",
    "Unaudited",
    "decide",
]
