"""``lab corpus``: realistic messages from a seed, for measuring and for trying things out."""

from pathlib import Path

import click

from lichen.cli import settings
from lichen.cli.command import command
from lichen.cli.exits import Exit
from lichen.cli.session import Session
from lichen.cli.words import WORDS, _
from lichen.node.errors import ApiError


@command(
    "corpus",
    examples=(
        "lichen lab corpus --messages 10000 --authors 50 --seed 1 village",
        "lichen import village/corpus.jsonl.gz",
    ),
    exits=(Exit.REFUSED,),
    sets=(settings.HMAC_KEY,),
)
@click.option("--messages", type=click.IntRange(min=1), default=10_000, show_default=True)
@click.option("--authors", type=click.IntRange(min=1), default=50, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.argument("out", metavar="FOLDER", type=click.Path(path_type=Path))
def corpus_command(session: Session, messages: int, authors: int, seed: int, out: Path) -> None:
    """Write the log of made-up people into a folder: the same seed gives the same messages.

    Keys and signatures are real. The folder also holds the secret of the first author and the
    follow graph.
    """
    import msgspec  # noqa: PLC0415 (slow, and not for --help)

    from lichen.lab.corpus import generate_corpus  # noqa: PLC0415 (imported to be run)

    try:
        summary = generate_corpus(messages, authors, seed, out, session.settings.hmac_key)
    except FileExistsError as error:
        raise ApiError(
            Exit.REFUSED.slug,
            _("{path} holds a secret that is not of this corpus.").format(path=out),
            _("Choose another folder."),
        ) from error
    except OSError as error:
        raise ApiError(
            Exit.FAILED.slug,
            _("{path} cannot be written: {words}.").format(path=out, words=error.strerror),
            _("Choose another place, or make room."),
        ) from error
    session.out.value(
        {"folder": str(out), **msgspec.to_builtins(summary)},
        _("{count} messages of {authors} people written to {path}").format(
            count=WORDS.number(messages),
            authors=WORDS.number(authors),
            path=out / "corpus.jsonl.gz",
        ),
    )
    session.out.words(_("Next: lichen import {path}").format(path=out / "corpus.jsonl.gz"))
