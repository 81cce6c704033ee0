"""``post`` and ``publish``: saying something. What is published can never be taken back."""

import sys

import click

from lichen.cli.again import giving_back
from lichen.cli.command import OPENS_DATA, command, usage_error
from lichen.cli.exits import Exit
from lichen.cli.ids import MESSAGE, resolve
from lichen.cli.output import Output
from lichen.cli.session import Session, member, number_member, text_member
from lichen.cli.words import WORDS, _, ngettext
from lichen.feed.canonical import JsonError, JsonValue, encode_compact, parse_json
from lichen.node.errors import ApiError

BATCH_BYTES_MAX = 1_000_000
"""One call over the local socket carries this much; the whole batch is one call."""

dry_run_option = click.option(
    "--dry-run",
    "is_dry_run",
    is_flag=True,
    help=_("Show the exact message and its size; publish nothing."),
)


@command(
    "post",
    examples=(
        'lichen post "Hello, neighbours"',
        "lichen post --channel gardening - < letter.md",
        'lichen post --root %Kwa6Ey "I agree"        # reply',
    ),
    exits=(*OPENS_DATA, Exit.NOT_FOUND, Exit.INVALID, Exit.UNREACHABLE),
)
@click.argument("text")
@click.option("--root", metavar="ID", help=_("Reply in the thread of this message."))
@click.option("--channel", metavar="NAME", help=_("Publish in this channel."))
@dry_run_option
async def post_command(
    session: Session, text: str, root: str | None, channel: str | None, is_dry_run: bool
) -> None:
    """Publish a text, in Markdown, for everybody; - reads it from standard input.

    Prints the id of the new message. What cannot be published, for a full disk or a read-only
    folder, is given back on standard error as the command that publishes it ("again" with --json).
    """
    is_piped = text == "-"
    body = _read_stdin().decode("utf-8", "replace").strip() if is_piped else text
    if not body.strip():
        raise usage_error(_("There is no text to publish."))
    words = [
        *(["--root", root] if root is not None else []),
        *(["--channel", channel] if channel is not None else []),
        *(["-"] if is_piped else ["--", body] if body.startswith("-") else [body]),
    ]
    piped = body if is_piped else None
    with giving_back(session, "post", *words, piped=piped, is_dry_run=is_dry_run):
        async with session.client() as client:
            request: dict[str, JsonValue] = {"text": body, "dryRun": is_dry_run}
            if root is not None:
                request["root"] = await resolve(client, root, MESSAGE)
            if channel is not None:
                request["channel"] = channel
            answer = await client.call("social.post", request)
        report_published(session.out, answer, _("Next: lichen log --follow"))


@command(
    "publish",
    examples=(
        """echo '{"type":"post","text":"Hello"}' | lichen publish""",
        "lichen publish --dry-run < contents.jsonl",
    ),
    exits=(*OPENS_DATA, Exit.INVALID, Exit.UNREACHABLE),
)
@dry_run_option
async def publish_command(session: Session, is_dry_run: bool) -> None:
    """Publish JSON contents from standard input, one object a line.

    All lines become messages in one durable step, or none does. Prints the ids. What cannot be
    published is given back on standard error, as lichen post does.
    """
    data = _read_stdin()
    contents = _parse_contents(data)
    if is_dry_run:
        for content in contents:
            report_published(session.out, {"content": content, "published": False}, "")
        return
    with giving_back(session, "publish", piped=data.decode("utf-8", "replace").rstrip()):
        async with session.client() as client:
            published = await client.call("lichen.publishMany", list(contents))
    for item in published if isinstance(published, list) else []:
        session.out.value(item, text_member(item, "key"))
    session.out.words(
        ngettext("Published {count} message.", "Published {count} messages.", len(contents)).format(
            count=WORDS.number(len(contents))
        )
    )


def report_published(out: Output, answer: JsonValue, next_step: str) -> None:
    """Say what became of a content: its message, or how it would look, or that it was so already.

    The answer is that of the ``social`` methods: ``message``, or ``already``, or with a dry run
    ``content``.
    """
    message = member(answer, "message")
    if message is not None:
        out.value(answer, text_member(message, "key"))
        out.words(
            _("Published as message {sequence} of your feed.").format(
                sequence=int(number_member(message, "value", "sequence"))
            )
        )
        if next_step:
            out.words(next_step)
    elif member(answer, "already"):
        out.value(answer, _("Already so; nothing was published."))
    else:
        content = encode_compact(member(answer, "content"))
        out.value(answer, content)
        out.words(
            _("{count} bytes of content, readable by everybody. Nothing was published.").format(
                count=WORDS.number(len(content.encode("utf-8", "replace")))
            )
        )


def _read_stdin() -> bytes:
    if sys.stdin.isatty():
        sys.stderr.write(_("Reading from the terminal; end with Ctrl-D.") + "\n")
    data = sys.stdin.buffer.read(BATCH_BYTES_MAX + 1)
    if len(data) > BATCH_BYTES_MAX:
        raise ApiError(
            Exit.LIMIT.slug,
            _("Standard input holds more than {count} bytes.").format(
                count=WORDS.number(BATCH_BYTES_MAX)
            ),
            _("Nothing was published. Publish it in several runs."),
        )
    return data


def _parse_contents(data: bytes) -> list[JsonValue]:
    contents: list[JsonValue] = []
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            content = parse_json(line)
        except JsonError as error:
            raise _line_error(number, str(error)) from error
        if not isinstance(content, dict) or not isinstance(content.get("type"), str):
            raise _line_error(number, _("a content is an object with a type"))
        contents.append(content)
    if not contents:
        raise usage_error(
            _("There is nothing to publish on standard input."),
            _("Write one JSON object a line."),
        )
    return contents


def _line_error(number: int, words: str) -> ApiError:
    return usage_error(
        _("Line {number} cannot be published: {words}.").format(number=number, words=words),
        _("Nothing was published. Correct the line and run the command again."),
    )
