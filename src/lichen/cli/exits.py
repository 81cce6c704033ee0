"""The exit codes of every command. They are a promise: codes are added, never given away again.

Faults carry a slug; the slug decides the code. A code that a script does not know is a failure.
"""

from enum import IntEnum

from lichen.cli.words import _


class Exit(IntEnum):
    """How a command ended."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    PARTLY_DONE = 3
    NOT_FOUND = 4
    UNREACHABLE = 5
    REFUSED = 6
    UNCHANGED = 7
    INVALID = 8
    LIMIT = 9
    NO_IDENTITY = 10
    LOCKED = 11
    WRONG_KEY = 12
    NOT_INSTALLED = 13
    DAMAGED = 14
    INTERRUPTED = 130

    @property
    def slug(self) -> str:
        """Return the stable word for programs, as in the ``error`` member of ``--json``."""
        return self.name.lower().replace("_", "-")

    @property
    def words(self) -> str:
        """Return what the code means, for people."""
        return _MEANING[self]


_MEANING = {
    Exit.DONE: _("done, or already so; also when the reader of the output went away"),
    Exit.FAILED: _("failed, and no better code fits"),
    Exit.USAGE: _("wrong usage: an option, an argument or an ambiguous id"),
    Exit.PARTLY_DONE: _("partly done: some messages or runs were refused"),
    Exit.NOT_FOUND: _("not found: an id, a name"),
    Exit.UNREACHABLE: _("for now no peer can be reached, or no answer came in time; try again"),
    Exit.REFUSED: _("refused, by a permission, by the other side or to protect the own feed"),
    Exit.UNCHANGED: _("nothing to do, where a command was asked to fail on that"),
    Exit.INVALID: _("a message is not valid: signature, form, size or a forked feed"),
    Exit.LIMIT: _("a limit is reached: disk, size, number"),
    Exit.NO_IDENTITY: _("there is no identity or data directory yet"),
    Exit.LOCKED: _("the data directory is in use by another process"),
    Exit.WRONG_KEY: _("a wrong key: secret file, network key or HMAC key"),
    Exit.NOT_INSTALLED: _("something that only this command needs is not installed"),
    Exit.DAMAGED: _("data on disk is damaged; see lichen fsck"),
    Exit.INTERRUPTED: _("interrupted by Ctrl-C"),
}
