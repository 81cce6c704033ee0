"""The command ``lichen``: which commands there are, and how a run of one ends.

Commands are imported when they run, so that ``lichen --version`` answers at once.
"""

import gc
import importlib
import os
import sys
import traceback
from collections.abc import Sequence

import click

from lichen import __version__
from lichen.cli.words import _

START = "start"
OBJECTS_NEW_MAX = 20_000
"""So many new objects before Python looks for cycles among them, some 4 MB: of its usual 700 it
sees a hundred times as many in a first sync, where no cycle lives, and looks for a tenth of it."""

COMMANDS: dict[str, dict[str, tuple[str, str]]] = {
    _("Be a peer"): {
        START: ("peer.serving", _("Run the peer and show what it hears.")),
        "open": ("peer.opening", _("Open the web app in the browser.")),
        "status": ("peer.status", _("Show how the peer is doing.")),
        "peers": ("peer.status", _("List the peers it is connected to.")),
        "connect": ("peer.status", _("Connect to a peer and remember its address.")),
        "disconnect": ("peer.nearby", _("Close the connection with a peer.")),
        "addresses": ("peer.nearby", _("List the addresses it knows, and how they do.")),
        "forget": ("peer.nearby", _("Take an address out of the address book.")),
        "nearby": ("peer.nearby", _("List the peers seen on the local network.")),
        "lan": ("peer.nearby", _("Show or set whether the local network sees you.")),
        "trust": ("peer.status", _("Trust a peer again that was doubted.")),
        "hops": ("peer.status", _("Show or set how far to fetch other people's feeds.")),
        "doctor": ("peer.status", _("Check the data directory and the peer.")),
    },
    _("Read"): {
        "log": ("reading", _("Show messages, the newest last.")),
        "thread": ("reading", _("Show a thread, causes before effects.")),
        "search": ("searching", _("Find messages by their words.")),
        "people": ("listing", _("List whom you follow, your followers and others.")),
    },
    _("Write"): {
        "post": ("writing", _("Publish a text.")),
        "publish": ("writing", _("Publish JSON contents from standard input.")),
        "follow": ("people", _("Follow a feed.")),
        "unfollow": ("people", _("Follow or block a feed no longer.")),
        "block": ("people", _("Block a feed.")),
        "name": ("people", _("Give somebody a name.")),
    },
    _("Identity and data"): {
        "whoami": ("peer.status", _("Print the own feed id.")),
        "identity": ("identity", _("Bring an identity from elsewhere.")),
        "allow-publishing": ("identity", _("Publish although too few peers were asked.")),
        "import": ("files", _("Read messages from a file.")),
        "export": ("files", _("Write every message to a file.")),
        "fsck": ("keeping", _("Check the data on disk, and heal it.")),
        "rebuild": ("keeping", _("Make views anew from the log.")),
        "backup": ("keeping", _("Copy everything that cannot be made anew.")),
        "restore": ("keeping", _("Put a backup back, into an empty folder.")),
        "blob": ("blobs", _("Keep, fetch and read pictures.")),
    },
    _("More"): {
        "help": ("topics", _("Explain a command or a topic.")),
        "lab": ("laboratory", _("Experiments, published tables, data for measuring.")),
    },
}


class LichenGroup(click.Group):
    """The commands, by section, imported when needed."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Return every name, in the order of the help."""
        return [name for section in COMMANDS.values() for name in section]

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command by name."""
        for section in COMMANDS.values():
            if cmd_name in section:
                module = importlib.import_module(f"lichen.cli.commands.{section[cmd_name][0]}")
                found = getattr(module, cmd_name.replace("-", "_") + "_command")
                assert isinstance(found, click.Command), "the table names commands"
                return found
        return None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or suggest the one that was meant."""
        name = args[0]
        if self.get_command(ctx, name) is None and not name.startswith("-"):
            import difflib  # noqa: PLC0415 (slow, and only for a slip)

            near = difflib.get_close_matches(name, self.list_commands(ctx), 1)
            words = _("There is no command {name}.").format(name=name)
            if near:
                words += " " + _("Did you mean: lichen {name}").format(name=near[0])
            raise click.UsageError(words, ctx)
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write examples first."""
        with formatter.section(_("Examples")):
            for example in (
                "lichen                          # be a peer: the same as lichen start",
                'lichen post "Hello, neighbours"',
                "lichen connect net:192.0.2.7:8008~shs:KEY",
                "lichen log --follow",
            ):
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")
        formatter.write_paragraph()
        super().format_help(ctx, formatter)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands by section, without importing any."""
        for title, section in COMMANDS.items():
            with formatter.section(title):
                formatter.write_dl([(name, words) for name, (_module, words) in section.items()])

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Say where to read on."""
        formatter.write_paragraph()
        formatter.write_text(
            _("See also: lichen help exit-codes, ids, settings. Nothing is ever sent home.")
        )


def build_group() -> LichenGroup:
    """Return the command with all its options."""
    from lichen.cli import settings  # noqa: PLC0415 (kept out of the way of --version)

    return LichenGroup(
        "lichen",
        invoke_without_command=True,
        callback=_begin,
        help=_("A Secure Scuttlebutt peer: your own log, your neighbours' logs, no centre."),
        params=[
            *(setting.option() for setting in settings.ALL),
            settings.json_option(),
            click.Option(
                ["--color"],
                type=click.Choice(["auto", "always", "never"]),
                default="auto",
                help=_("Colour on a terminal, always or never; NO_COLOR counts too."),
            ),
            click.Option(["--version"], is_flag=True, help=_("Print the version.")),
        ],
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )


@click.pass_context
def _begin(ctx: click.Context, /, **parameters: object) -> object:
    if parameters["version"]:
        sys.stdout.write(f"lichen {__version__}\n")
        ctx.exit(0)
    ctx.obj = parameters
    if ctx.invoked_subcommand is not None:
        return None
    assert isinstance(ctx.command, LichenGroup), "the callback belongs to the group"
    start = ctx.command.get_command(ctx, START)
    assert start is not None, "start is in the table"
    with start.make_context(START, [], parent=ctx) as start_context:
        return start.invoke(start_context)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; faults are said in words."""
    if list(arguments) == ["--version"]:
        sys.stdout.write(f"lichen {__version__}\n")
        return 0
    os.umask(0o077)
    is_json = "--json" in arguments
    from lichen.cli.exits import Exit  # noqa: PLC0415 (kept out of the way of --version)
    from lichen.cli.output import print_error  # noqa: PLC0415
    from lichen.node.errors import ApiError  # noqa: PLC0415

    try:
        code = build_group().main(list(arguments), prog_name="lichen", standalone_mode=False)
        return code if isinstance(code, int) else Exit.DONE
    except ApiError as error:
        print_error(error, is_json=is_json)
        return error.exit_code
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx is not None else "lichen"
        hint = _("Try: {command} --help").format(command=path)
        print_error(ApiError(Exit.USAGE.slug, error.format_message(), hint), is_json=is_json)
        return Exit.USAGE
    except (KeyboardInterrupt, click.Abort):
        code = Exit.INTERRUPTED
        if is_json:
            print_error(ApiError(code.slug, _("Interrupted.")), is_json=True, code=code)
        return code
    except Exception as error:  # noqa: BLE001 (the last place where a fault can become words)
        if not is_json:
            traceback.print_exc()
        words = _("This is a mistake in Lichen: {error}").format(error=repr(error))
        print_error(ApiError(Exit.FAILED.slug, words), is_json=is_json)
        return Exit.FAILED


def main() -> None:
    """Run the command line and leave with its exit code."""
    gc.set_threshold(OBJECTS_NEW_MAX)
    sys.exit(run(sys.argv[1:]))
