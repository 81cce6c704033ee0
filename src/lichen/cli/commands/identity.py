"""``identity import`` and ``allow-publishing``: a key that has been used elsewhere.

Two programs that publish with one key, or one that forgot what it had published, split the feed for
good. So an imported key publishes nothing until other peers were asked for its feed, or until the
person says in words that no newer message exists.
"""

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lichen.cli.command import OPENS_DATA, command, section, usage_error
from lichen.cli.exits import Exit
from lichen.cli.session import Session, member
from lichen.cli.words import _
from lichen.node.errors import ApiError

if TYPE_CHECKING:
    from lichen.feed.identity import Identity
    from lichen.node.home import Home

OVERRIDE_WORDS = _("this key publishes only here and I have its newest message")
SECRET_BYTES_MAX = 64 * 1024


@command(
    "import",
    examples=("lichen identity import ~/.ssb/secret",),
    exits=(*OPENS_DATA, Exit.WRONG_KEY),
)
@click.argument("secret_file", metavar="SECRETFILE", type=click.Path(path_type=Path))
async def import_command(session: Session, secret_file: Path) -> None:
    """Take over the identity of an existing Secure Scuttlebutt secret file.

    The file is read, never written. First stop for good the program that used it: two programs
    publishing with one key destroy its feed. Publishing waits until at least two peers were asked
    for what this key has published before.
    """
    identity = _read_secret(secret_file)
    secret = _put_secret(session.home, identity)
    try:
        async with session.client() as client:
            status = await client.call("status")
    except ApiError:
        secret.unlink()
        raise
    is_guarded = bool(member(status, "isGuarded"))
    session.out.value(
        {"id": identity.id, "secret": str(secret), "isGuarded": is_guarded}, identity.id
    )
    session.out.words(_("Imported into {path}.").format(path=secret))
    if is_guarded:
        session.out.words(_("Publishing waits until two peers were asked for this feed."))
    session.out.words(_("Next: lichen start, then lichen connect ADDRESS"))


def _put_secret(home: "Home", identity: "Identity") -> Path:
    from lichen.node.home import (  # noqa: PLC0415 (slow, and not for --help)
        make_private_directory,
        write_secret,
    )

    make_private_directory(home.directory)
    write_secret(home, identity)
    return home.secret


identity_command = section("identity", _("Bring an identity from elsewhere."), import_command)


@command(
    "allow-publishing",
    examples=(f'lichen allow-publishing "{OVERRIDE_WORDS}"',),
)
@click.argument("words", required=False, default="")
async def allow_publishing_command(session: Session, words: str) -> None:
    """Publish from now on although too few peers were asked for the own feed.

    If a newer message of yours exists somewhere, the next one you publish splits your feed for
    good: others keep one half and refuse the other. Say that this cannot be by writing the
    sentence of the example.
    """
    if words.strip().rstrip(".").casefold() != OVERRIDE_WORDS.casefold():
        raise usage_error(
            _("This needs your word, exactly: {words}").format(words=OVERRIDE_WORDS),
            f'lichen allow-publishing "{OVERRIDE_WORDS}"',
        )
    async with session.client() as client:
        await client.call("lichen.liftGuard", words)
    session.out.value({"isGuarded": False}, _("Publishing is allowed."))


def _read_secret(path: Path) -> "Identity":
    from lichen.feed.identity import SecretError, parse_secret_file  # noqa: PLC0415 (slow)

    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(SECRET_BYTES_MAX + 1)
    except FileNotFoundError as error:
        raise ApiError(
            Exit.NOT_FOUND.slug,
            _("There is no file {path}.").format(path=path),
            _("Give the path of the file named secret of the other program."),
        ) from error
    except OSError as error:
        raise ApiError(
            Exit.FAILED.slug,
            _("{path} cannot be read: {words}.").format(path=path, words=error.strerror),
            _("Give the path of a file that you may read."),
        ) from error
    if stat.S_IMODE(mode) & 0o077:
        raise ApiError(
            Exit.REFUSED.slug,
            _("{path} can be read by others.").format(path=path),
            _("Run: chmod 600 '{path}'").format(path=path),
        )
    try:
        return parse_secret_file(data[:SECRET_BYTES_MAX].decode("utf-8"))
    except (SecretError, UnicodeDecodeError) as error:
        raise ApiError(
            Exit.WRONG_KEY.slug,
            _("{path} is not a secret file: {words}").format(path=path, words=error),
            _("Give the path of the file named secret of the other program."),
        ) from error
