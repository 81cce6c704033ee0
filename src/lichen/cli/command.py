"""What all commands share: ``--json``, help that begins with examples, documented exit codes.

``@command`` turns a function into a command. The function gets a ``Session`` and its parameters;
it may be a coroutine. It returns an exit code, or None for 0, and raises ``ApiError`` for faults.
"""

import asyncio
import inspect
from collections.abc import Callable, Iterable, Sequence

import click

from lichen.cli import settings
from lichen.cli.exits import Exit
from lichen.cli.output import Output, OutputClosed
from lichen.cli.session import Session
from lichen.cli.words import _
from lichen.node.errors import ApiError

ALWAYS = (Exit.DONE, Exit.FAILED, Exit.USAGE, Exit.INTERRUPTED)
OPENS_DATA = (Exit.LIMIT, Exit.REFUSED, Exit.LOCKED, Exit.WRONG_KEY, Exit.DAMAGED)

PAGE_MAX = 200
"""People or messages of one page: what the local API gives at once."""
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class LichenCommand(click.Command):
    """A command whose help begins with examples and ends with its exit codes."""

    examples: Sequence[str] = ()
    exits: Sequence[Exit] = ()

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write examples, usage, description, options, exit codes."""
        write_examples(formatter, self.examples)
        formatter.write_paragraph()
        super().format_help(ctx, formatter)

    def format_epilog(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the exit codes this command ends with."""
        with formatter.section(_("Exit codes")):
            formatter.write_dl([(str(int(code)), code.words) for code in sorted(self.exits)])


class Section(click.Group):
    """A word that several commands begin with."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which there are."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            names = ", ".join(self.list_commands(ctx))
            words = _("{path} has no {name}. There are: {names}.")
            raise click.UsageError(
                words.format(path=ctx.command_path, name=args[0], names=names), ctx
            )
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples of its commands first."""
        inner = [self.commands[name] for name in self.list_commands(ctx)]
        examples = [line for made in inner for line in getattr(made, "examples", ())]
        write_examples(formatter, examples)
        formatter.write_paragraph()
        super().format_help(ctx, formatter)


def section(name: str, words: str, *commands: click.Command) -> Section:
    """Return a group of commands under one word."""
    return Section(
        name,
        help=words,
        commands=list(commands),
        no_args_is_help=False,
        context_settings=dict(CONTEXT),
    )


def write_examples(formatter: click.HelpFormatter, examples: Iterable[str]) -> None:
    """Write example lines exactly as they are to be typed."""
    with formatter.section(_("Examples")):
        for example in examples:
            formatter.write(f"{'':{formatter.current_indent}}{example}\n")


def command(
    name: str,
    *,
    examples: Sequence[str],
    exits: Sequence[Exit] = OPENS_DATA,
    sets: Sequence[settings.Setting] = settings.COMMON,
) -> Callable[[Callable[..., object]], LichenCommand]:
    """Return a decorator that makes a command of a function; its docstring is the description."""

    def decorate(function: Callable[..., object]) -> LichenCommand:
        own = list(reversed(getattr(function, "__click_params__", [])))
        made = LichenCommand(
            name,
            callback=_runner(function, sets),
            params=[*own, *(setting.option() for setting in sets), settings.json_option()],
            help=_(inspect.getdoc(function) or name),
            context_settings=dict(CONTEXT),
        )
        made.examples = examples
        made.exits = sorted({*ALWAYS, *exits})
        return made

    return decorate


def limit_option(default: int) -> Callable[[Callable[..., object]], Callable[..., object]]:
    """Return the option that says how long a page is."""
    return click.option(
        "--limit",
        type=click.IntRange(min=1, max=PAGE_MAX),
        metavar="N",
        default=default,
        show_default=True,
        help=_("Show at most so many."),
    )


def _runner(
    function: Callable[..., object], sets: Sequence[settings.Setting]
) -> Callable[..., int]:
    def run(is_json: bool, **parameters: object) -> int:
        group = click.get_current_context().find_root().obj or {}
        own = {setting.name: parameters.pop(setting.name) for setting in sets}
        session = Session(
            Output(
                is_json=is_json or bool(group.get("is_json")), colour=group.get("color", "auto")
            ),
            settings.chosen(settings.ALL, own, group),
        )
        try:
            code = finish(function(session, **parameters))
            session.out.flush()
        except OutputClosed as closed:
            if closed.fault is not None:
                raise closed.fault from closed
            return Exit.DONE
        finally:
            session.out.end_progress()
        return code

    return run


def finish(result: object) -> int:
    """Run a command's coroutine, if it is one, and return its exit code."""
    if inspect.iscoroutine(result):
        result = asyncio.run(result)
    return int(result) if isinstance(result, int) else Exit.DONE


def usage_error(message: str, hint: str = "") -> ApiError:
    """Return the fault of wrong usage."""
    return ApiError(Exit.USAGE.slug, message, hint)
