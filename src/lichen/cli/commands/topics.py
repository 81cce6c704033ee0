"""``help``: commands, and the topics that belong to all of them."""

from collections.abc import Callable

import click

from lichen.cli import settings
from lichen.cli.command import command, usage_error
from lichen.cli.exits import Exit
from lichen.cli.output import Output
from lichen.cli.session import Session
from lichen.cli.words import _
from lichen.feed.canonical import JsonValue
from lichen.words import LANGUAGES, PSEUDO

IDS_TEXT = _(
    """\
Wherever a command asks for an ID, any of these will do:

  the whole id        @8UlX9WN1N2KH1/AG51DHf3aERsLI07lTazhE8bhxDmM=.ed25519
  its beginning       @8UlX9W  or  8UlX9W, if nothing else begins like that
  a name              @anna, as you or others named somebody
  an ssb: URI         ssb:message/classic/...
  a link with an id   as copied from another program

@ stands before people (feeds), % before messages. What fits more than one is refused, with the
candidates (exit code 2); what fits nothing, too (exit code 4).
"""
)


def _exit_codes(out: Output) -> None:
    if not out.is_json:
        out.text(
            _("Every command ends with one of these; read an unknown code as a failure.") + "\n"
        )
    for code in Exit:
        value: JsonValue = {"code": int(code), "error": code.slug, "words": code.words}
        out.value(value, f"{int(code):>4}  {code.slug:<14} {code.words}")


def _ids(out: Output) -> None:
    out.value({"topic": "ids", "text": IDS_TEXT}, IDS_TEXT.rstrip())


def _settings(out: Output) -> None:
    if not out.is_json:
        out.text(
            _("A flag counts before its variable; a flag may stand before the command.") + "\n"
        )
    for setting in settings.ALL:
        value: JsonValue = {
            "flag": setting.flag,
            "variable": setting.variable,
            "words": setting.help,
        }
        out.value(value, f"  {setting.flag:<14} {setting.variable:<19} {setting.help}")
    if not out.is_json:
        languages = ", ".join(code for code in LANGUAGES if code != PSEUDO)
        words = _("The language; otherwise that of the system. One of: {languages}")
        out.text(f"  {'':<14} {'LICHEN_LANGUAGE':<19} {words.format(languages=languages)}")


TOPICS: dict[str, Callable[[Output], None]] = {
    "exit-codes": _exit_codes,
    "ids": _ids,
    "settings": _settings,
}


@command(
    "help",
    examples=("lichen help exit-codes", "lichen help log", "lichen help lab corpus"),
    exits=(),
    sets=(),
)
@click.argument("topic", nargs=-1)
def help_command(session: Session, topic: tuple[str, ...]) -> None:
    """Explain a command, or one of the topics exit-codes, ids, settings."""
    if len(topic) == 1 and topic[0] in TOPICS:
        TOPICS[topic[0]](session.out)
        return
    context = click.get_current_context().find_root()
    found: click.Command = context.command
    for name in topic:
        inner = found.get_command(context, name) if isinstance(found, click.Group) else None
        if inner is None:
            raise usage_error(
                _("There is no command or topic {name}.").format(name=" ".join(topic)),
                _("Topics: {topics}").format(topics=", ".join(TOPICS)),
            )
        context = click.Context(inner, info_name=name, parent=context)
        found = inner
    text = found.get_help(context)
    session.out.value({"topic": " ".join(topic), "text": text}, text)
