"""The place of a peer on disk, and what may be set about a run of it.

One directory holds everything: the secret, the log and its views, the lock and the local socket.
"""

import base64
import hashlib
import os
import shlex
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec
import platformdirs

from lichen.feed.identity import (
    Identity,
    SecretError,
    encode_secret_file,
    generate_identity,
    parse_secret_file,
)
from lichen.node.errors import ApiError
from lichen.store.errors import DISK_FULL, reason_of
from lichen.words import N_, phrase_of

if TYPE_CHECKING:
    from lichen.store.store import Store

MAIN_NETWORK_KEY_BASE64 = "1KHLiKZvAvjbY1ziZEHMXawbCEIM6qwjCDm3VYRan/s="
PORT_DEFAULT = 8008
HOPS_DEFAULT = 2
# The address of a Unix socket has room for 108 bytes on Linux, 104 elsewhere.
SOCKET_PATH_BYTES_MAX = 100
_SCRATCH = ".new"
BEING_MADE = "identity-being-made"
"""The setting that names an identity from before its secret is written until the log is bound to
it: nobody else can have published with it."""


class Settings(msgspec.Struct, frozen=True):
    """What a person set for this run; None: as the data directory remembers, else the default."""

    port: int = PORT_DEFAULT
    host: str = ""
    """Interface to listen on; empty: all."""
    network_key: bytes | None = None
    hmac_key: bytes | None = None
    hops: int | None = None
    verify: Literal["chain", "all"] = "chain"
    """Which signatures are checked on receipt: those that cannot wait for the audit, or all."""
    has_lan: bool = False
    """Open the sockets of the local network; only a peer that a person starts does."""
    lan: str | None = None
    """``announce``, ``listen`` or ``off``; remembered."""


class Home(msgspec.Struct, frozen=True):
    """The data directory of one peer."""

    directory: Path

    @property
    def secret(self) -> Path:
        """Return the path of the secret file."""
        return self.directory / "secret"

    @property
    def socket(self) -> Path:
        """Return the path of the local socket: a short one elsewhere where this one is too long."""
        inside = self.directory / "run" / "lichen.socket"
        if len(os.fsencode(inside)) <= SOCKET_PATH_BYTES_MAX:
            return inside
        digest = hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:16]
        runtime = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
        short = Path(runtime) / f"lichen-{os.getuid()}" / f"{digest}.socket"
        if len(os.fsencode(short)) <= SOCKET_PATH_BYTES_MAX:
            return short
        return Path("/tmp") / f"lichen-{os.getuid()}" / f"{digest}.socket"  # noqa: S108 (0700, owner checked)


def find_home(flag: str | None = None) -> Home:
    """Return the data directory: the flag, else ``LICHEN_HOME``, else the platform's place."""
    chosen = flag or os.environ.get("LICHEN_HOME")
    path = Path(chosen).expanduser() if chosen else platformdirs.user_data_path("lichen")
    return Home(path.absolute())


def make_private_directory(path: Path) -> None:
    """Create a directory that only its owner can enter, or prove that it is one.

    Raises ApiError when it belongs to somebody else.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.lstat()
        is_own = stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid()
        if is_own and status.st_mode & 0o077:
            path.chmod(0o700)
    except OSError as error:
        reason = reason_of(error)
        raise ApiError(
            "limit" if reason == DISK_FULL else "refused",
            N_("The folder {path} cannot be used: {words}.", path=path, words=phrase_of(reason)),
            N_("Choose another one with --home."),
        ) from error
    if not is_own:
        raise ApiError(
            "refused",
            N_("{path} is not a folder of your own.", path=path),
            N_("Move it away, or choose another place with --home."),
        )


def load_identity(home: Home) -> Identity | None:
    """Read the secret file. None: there is none yet. Raises ApiError if it cannot be trusted."""
    try:
        status = home.secret.stat()
        text = home.secret.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ApiError(
            "wrong-key",
            N_("The secret file {path} cannot be read: {words}.", path=home.secret, words=error),
            N_("Make it readable for you, or put a copy of it in its place."),
        ) from error
    if status.st_mode & 0o077:
        raise ApiError(
            "refused",
            N_("The secret file {path} can be read by others.", path=home.secret),
            N_("Run: {command}", command=f"chmod 600 {shlex.quote(str(home.secret))}"),
        )
    try:
        return parse_secret_file(text)
    except SecretError as error:
        raise ApiError(
            "wrong-key",
            N_(
                "The secret file {path} is damaged: {reason}",
                path=home.secret,
                reason=phrase_of(str(error)),
            ),
            N_(
                "Put a copy of it in its place; a new identity would be another person to everyone."
            ),
        ) from error


def open_identity(home: Home, store: "Store") -> tuple[Identity, bool]:
    """Return whose directory this is, bind the log to it, and tell whether it was made just now.

    Raises ApiError or ``StoreError``.
    """
    remove_scratch(home)
    identity, is_new = load_identity(home), False
    if identity is None:
        _refuse_lost_secret(home, store)
        # In this order a sudden end leaves no doubt whose the directory is.
        identity, is_new = generate_identity(os.urandom(32)), True
        store.local.set_setting(BEING_MADE, identity.id, is_durable=True).result()
        write_secret(home, identity)
    elif store.own() is None and store.local.setting(BEING_MADE) != identity.id:
        # A key from elsewhere: its newest messages may not be here.
        store.local.save_guard(is_guarded=True).result()
    store.bind_own(identity.id)
    if store.local.setting(BEING_MADE) is not None:
        store.local.set_setting(BEING_MADE, None)
    return identity, is_new


def _refuse_lost_secret(home: Home, store: "Store") -> None:
    own = store.own()
    if own is not None:
        raise ApiError(
            "no-identity",
            N_(
                "The secret file {path} is gone, but this folder holds the log of {feed}.",
                path=home.secret,
                feed=own,
            ),
            N_("Put a copy of the secret back; a new identity needs another folder (--home)."),
        )


def write_secret(home: Home, identity: Identity) -> None:
    """Write the secret file with mode 0400, whole or not at all; never over an existing one."""
    if home.secret.exists():
        raise _secret_exists(home)
    scratch = home.secret.with_name(f"secret.{os.getpid()}{_SCRATCH}")
    scratch.unlink(missing_ok=True)
    descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o400)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(encode_secret_file(identity))
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link fails where a rename would replace a file that appeared in between.
        os.link(scratch, home.secret)
    except FileExistsError as error:
        raise _secret_exists(home) from error
    finally:
        scratch.unlink()
    sync_directory(home.directory)


def remove_scratch(home: Home) -> None:
    """Remove what a sudden end of the process that wrote the secret left beside it."""
    for scratch in home.directory.glob(f"secret.*{_SCRATCH}"):
        writer = scratch.name.split(".")[1]
        import psutil  # noqa: PLC0415 (slow, and only after a crash)

        if writer.isdigit() and not psutil.pid_exists(int(writer)):
            scratch.unlink(missing_ok=True)


def _secret_exists(home: Home) -> ApiError:
    return ApiError(
        "refused",
        N_("There is an identity already in {path}.", path=home.secret),
        N_("Use another folder with --home for a second one."),
    )


def sync_directory(path: Path) -> None:
    """Make the names in a directory survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def network_key_default() -> bytes:
    """Return the key of the main Secure Scuttlebutt network."""
    return base64.b64decode(MAIN_NETWORK_KEY_BASE64)
