"""Faults that a person or a local program caused or can mend, in words, with the next step.

Every fault has a slug, which also decides the exit code of the command line; the table below is
the one documented in ``lichen help exit-codes``.
"""

import orjson

from lichen.store.errors import (
    DAMAGES,
    DISK_FULL,
    READ_ONLY,
    BackupDamaged,
    BackupRefused,
    BlobMissing,
    BlobRefused,
    ContentRefused,
    DataDirLocked,
    DraftRefused,
    NotWritable,
    OwnFeedForked,
    OwnFeedUnaudited,
    PublishGuarded,
    StoreError,
    StoreReadFailed,
    StoreWriteFailed,
    Unreadable,
    WrongIdentity,
    WrongNetwork,
)
from lichen.words import N_, Phrase, Words, parse_phrase

EXIT_CODES: dict[str, int] = {
    "failed": 1,
    "usage": 2,
    "partly-done": 3,
    "not-found": 4,
    "unreachable": 5,
    "refused": 6,
    "invalid": 8,
    "limit": 9,
    "no-identity": 10,
    "locked": 11,
    "wrong-key": 12,
    "not-installed": 13,
    "damaged": 14,
}


class ApiError(Exception):
    """A fault of a local call: ``slug`` for programs, ``message`` and ``hint`` for people.

    Both are English phrases (``N_``) where the reader is not known; ``told`` says them in the
    reader's language. A plain text counts as told already.
    """

    def __init__(self, slug: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.slug = slug
        self.message = message
        self.hint = hint

    @property
    def exit_code(self) -> int:
        """Return the exit code of a command that ends with this fault."""
        return EXIT_CODES.get(self.slug, 1)

    def told(self, words: Words) -> tuple[str, str]:
        """Return message and hint in the language of whoever reads them."""
        return words.tell(self.message), words.tell(self.hint)

    @property
    def details(self) -> bytes:
        """Return the phrases as JSON text, for a program that speaks another language."""
        said = {"message": self.message, "hint": self.hint}
        return orjson.dumps(
            {key: text.to_json() for key, text in said.items() if isinstance(text, Phrase)}
        )

    @property
    def words(self) -> str:
        """Return message and hint as they travel in one error text, the hint on its own line."""
        return f"{self.message}\n{self.hint}" if self.hint else self.message


_STORE_SLUGS: dict[type[StoreError], str] = {
    DataDirLocked: "locked",
    WrongNetwork: "wrong-key",
    WrongIdentity: "wrong-key",
    ContentRefused: "invalid",
    DraftRefused: "limit",
    OwnFeedForked: "invalid",
    OwnFeedUnaudited: "refused",
    PublishGuarded: "refused",
    BlobMissing: "not-found",
    BlobRefused: "limit",
    BackupRefused: "refused",
    BackupDamaged: "damaged",
    NotWritable: "refused",
    Unreadable: "damaged",
}


_REASON_SLUGS: dict[str, str] = {
    DISK_FULL: "limit",
    READ_ONLY: "refused",
    **dict.fromkeys(DAMAGES, "damaged"),
}


def store_fault(error: StoreError) -> ApiError:
    """Return a fault of the store as one of a call."""
    slug = _STORE_SLUGS.get(type(error), "failed")
    if isinstance(error, StoreWriteFailed | StoreReadFailed):
        slug = _REASON_SLUGS.get(error.reason, slug)
    return ApiError(slug, error.message, error.hint)


def parse_error(name: str, words: str, details: bytes = b"") -> ApiError:
    """Rebuild the fault that a running peer sent as an error object."""
    message, _, hint = words.partition("\n")
    try:
        said = orjson.loads(details or b"{}")
    except orjson.JSONDecodeError:
        said = {}
    phrases = said if isinstance(said, dict) else {}
    return ApiError(
        name if name in EXIT_CODES else "failed",
        parse_phrase(phrases.get("message")) or message,
        parse_phrase(phrases.get("hint")) or hint,
    )


def stopped_fault() -> ApiError:
    """Return the fault of a call whose peer has gone."""
    return ApiError("unreachable", N_("The peer has stopped."), N_("Start it again."))
