"""What can be set for a command, in three forms with this precedence: flag, variable, default.

A flag may stand before or after the name of the command. Each setting is described once, in
``COMMON`` or ``SERVING``; flag, ``LICHEN_`` variable and help come from there.
"""

import base64
import binascii
import os
from collections.abc import Mapping, Sequence
from typing import Any

import click

from lichen.cli.words import _


def parse_key(text: str) -> bytes:
    """Read 32 bytes of base64. Raises ``click.BadParameter``."""
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != 32:
        raise click.BadParameter(_("a key is 32 bytes written in base64 (44 characters)"))
    return key


class Setting:
    """One thing that can be set: its option and its variable."""

    __slots__ = ("help", "metavar", "name", "type")

    def __init__(self, name: str, kind: "click.ParamType[Any]", metavar: str, text: str) -> None:
        self.name = name
        self.type = kind
        self.metavar = metavar
        self.help = text

    @property
    def variable(self) -> str:
        """Return the name of the environment variable."""
        return "LICHEN_" + self.name.upper()

    @property
    def flag(self) -> str:
        """Return the name of the option."""
        return "--" + self.name.replace("_", "-")

    def option(self) -> click.Option:
        """Return the option for a command."""
        return click.Option(
            [self.flag],
            type=self.type,
            metavar=self.metavar,
            help=f"{self.help} [{self.variable}]",
        )

    def from_environment(self) -> object:
        """Return what the variable says; None when it is unset or empty."""
        text = os.environ.get(self.variable)
        if not text:
            return None
        try:
            return self.type.convert(text, None, None)
        except click.BadParameter as error:
            raise click.UsageError(f"{self.variable}: {error.message}") from error


_KEY = click.types.FuncParamType(parse_key)

HMAC_KEY = Setting("hmac_key", _KEY, "KEY", _("Key that signatures of this network go through."))
COMMON: tuple[Setting, ...] = (
    Setting("home", click.Path(), "DIR", _("Keep everything in this directory.")),
    Setting("network_key", _KEY, "KEY", _("Key of the network, in base64.")),
    HMAC_KEY,
)
VERIFY = Setting(
    "verify",
    click.Choice(("chain", "all")),
    "HOW",
    _(
        "Signatures to check before a message is shown: all, or those that its chain of messages"
        " leaves open (chain, the default); the rest soon after."
    ),
)
SERVING: tuple[Setting, ...] = (
    Setting("port", click.IntRange(0, 65535), "PORT", _("Port to listen on; 0: a free one.")),
    Setting("host", click.STRING, "HOST", _("Interface to listen on; default: all.")),
    Setting("hops", click.IntRange(0, 8), "N", _("How far to fetch: 1 friends, 2 theirs too.")),
    VERIFY,
)
ALL = COMMON + SERVING


def json_option() -> click.Option:
    """Return the option that every command has."""
    return click.Option(
        ["--json", "is_json"],
        is_flag=True,
        help=_("Write JSON: one object, or one a line."),
    )


def chosen(
    settings: Sequence[Setting],
    own: Mapping[str, object],
    group: Mapping[str, object],
) -> dict[str, object]:
    """Return each setting's value: the command's flag, the group's flag, the variable, None."""
    values: dict[str, object] = {}
    for setting in settings:
        for given in (own.get(setting.name), group.get(setting.name)):
            if given is not None:
                values[setting.name] = given
                break
        else:
            values[setting.name] = setting.from_environment()
    return values
