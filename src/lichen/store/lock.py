"""One process per data directory: an advisory lock (flock) on a file that names its holder.

Two programs writing one identity's feed would fork it, so the lock is taken before anything is
opened. The system drops it when the process ends, however it ends; the file itself stays.
"""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from lichen.store.errors import DataDirLocked, opening

LOCK_FILE = "lock"
HEALER_FILE = "lock.healer"
"""Held by a program for which a running peer steps aside: until it is free, the peer stays away."""


class DirectoryLock:
    """Holds a data directory until ``release``."""

    __slots__ = ("_descriptor",)

    def __init__(self, directory: Path, file: str = LOCK_FILE) -> None:
        """Take the lock, or raise ``DataDirLocked`` with the holder's process id.

        Raises ``NotWritable`` where nothing can be written.
        """
        with opening(directory):
            descriptor = os.open(directory / file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _holder(descriptor)
            os.close(descriptor)
            raise DataDirLocked(directory, pid) from None
        except BaseException:
            os.close(descriptor)
            raise
        with suppress(OSError):  # on a full disk it is held all the same, only by nobody's name
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def release(self) -> None:
        """Let another process have the directory."""
        with suppress(OSError):
            os.ftruncate(self._descriptor, 0)
        os.close(self._descriptor)


def is_locked(directory: Path, file: str = LOCK_FILE) -> bool:
    """Tell whether a process holds a lock."""
    try:
        descriptor = os.open(directory / file, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _holder(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0).strip()
    return int(text) if text.isdigit() else None
