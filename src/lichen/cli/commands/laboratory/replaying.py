"""``lab replay``: lives of worlds in which things go wrong, lived again from their seeds."""

from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from lichen.cli.command import command, usage_error
from lichen.cli.commands.laboratory.running import words_for_impossible
from lichen.cli.exits import Exit
from lichen.cli.output import Output
from lichen.cli.session import Session
from lichen.cli.words import _
from lichen.node.errors import ApiError

if TYPE_CHECKING:
    from lichen.feed.canonical import JsonValue
    from lichen.lab.checkers.tally import Tally
    from lichen.lab.faults.life import Outcome
    from lichen.lab.faults.plan import Plan


@command(
    "replay",
    examples=(
        "lichen lab replay 7",
        "lichen lab replay 1-200 --json",
        "lichen lab replay 7 --shrink",
        "lichen lab replay --plan life.json",
    ),
    exits=(Exit.PARTLY_DONE, Exit.NOT_FOUND),
    sets=(),
)
@click.option(
    "--plan",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help=_("Live the life that is written in a file."),
)
@click.option("--shrink", "shrinks", is_flag=True, help=_("Make a life that fails small."))
@click.argument("seeds", required=False, metavar="[SEED]")
def replay_command(session: Session, path: Path | None, shrinks: bool, seeds: str | None) -> int:
    """Live lives of small worlds in which links, disks and peers fail, and check everything.

    A seed is a whole life: who there is, who lies, what goes wrong and when. Seeds are written as
    7, 1-20 or 1,2,5-9.

    The exit code is 1 if a checker objects, and 3 if none does but some never had anything to
    check in several lives: then they prove nothing.
    """
    from lichen.lab.checkers.tally import Tally  # noqa: PLC0415 (slow, and not for --help)
    from lichen.lab.faults.life import CHECKS, live  # noqa: PLC0415 (see above)
    from lichen.lab.faults.shrink import shrink  # noqa: PLC0415

    plans = _plans(path, seeds)
    tally, failed = Tally(), 0
    for plan in plans:
        outcome = live(plan, tally)
        _show(session.out, plan, outcome, is_long=len(plans) == 1 or outcome.failure is not None)
        if outcome.failure is not None:
            failed += 1
            if shrinks:
                _show_small(session.out, shrink(plan))
    if failed:
        session.out.words(
            _("In {failed} of {count} lives a checker objects.").format(
                failed=failed, count=len(plans)
            )
        )
        return Exit.FAILED
    return _judge(session.out, tally, tally.idle(CHECKS), len(plans))


def _plans(path: Path | None, seeds: str | None) -> "list[Plan]":
    """Return the lives that are meant. Raises ApiError."""
    from lichen.lab.faults.draw import draw_plan  # noqa: PLC0415 (slow, and not for --help)
    from lichen.lab.faults.plan import read_plan  # noqa: PLC0415 (see above)
    from lichen.lab.seeds import parse_seeds  # noqa: PLC0415

    if (path is None) == (seeds is None):
        raise usage_error(
            _("Name a seed, or a file with --plan."), _("For example: lichen lab replay 7")
        )
    if path is None:
        assert seeds is not None, "one of both is there"
        with words_for_impossible():
            return [draw_plan(seed) for seed in parse_seeds(seeds)]
    try:
        return [read_plan(path)]
    except FileNotFoundError as error:
        raise ApiError(
            Exit.NOT_FOUND.slug,
            _("There is no file {path}.").format(path=path),
            _("lichen lab replay SEED needs no file."),
        ) from error
    except (OSError, ValueError) as error:
        raise ApiError(
            Exit.FAILED.slug,
            _("{path} is not a plan of a life: {words}.").format(path=path, words=error),
            _("Plans are JSON, as in tests/lab/regressions."),
        ) from error


def _show(out: Output, plan: "Plan", outcome: "Outcome", *, is_long: bool) -> None:
    if out.is_json:
        out.line_of_json({"plan": _plain(plan), **_plain(outcome)})
        return
    from lichen.lab.faults.shrink import describe  # noqa: PLC0415 (see above)

    if is_long:
        roles = ", ".join(f"{number} {role}" for number, role in sorted(plan.roles.items()))
        out.text(
            _("{peers} peers, {links} links, {follows} follows; not honest: {roles}").format(
                peers=plan.peers,
                links=len(plan.links),
                follows=len(plan.follows),
                roles=roles or _("nobody"),
            )
        )
        if plan.faults:
            out.text(describe(plan.faults))
    told = _("all checks hold") if outcome.failure is None else outcome.failure
    out.text(
        _("seed {seed}: {events} events in {seconds} s, trace {trace}: {told}").format(
            seed=outcome.seed,
            events=outcome.events,
            seconds=f"{outcome.virtual_s:.0f}",
            trace=outcome.trace_hash,
            told=told,
        )
    )


def _plain(value: msgspec.Struct) -> "dict[str, JsonValue]":
    """Return a value as JSON holds it: no tuples, and names for numbers."""
    made: dict[str, JsonValue] = msgspec.json.decode(msgspec.json.encode(value))
    return made


def _show_small(out: Output, plan: "Plan") -> None:
    if out.is_json:
        out.line_of_json({"smaller": _plain(plan)})
        return
    out.text(_("The same objection comes with less:"))
    out.text(msgspec.json.format(msgspec.json.encode(plan), indent=1).decode())


def _judge(out: Output, tally: "Tally", idle: list[str], count: int) -> int:
    """Say what was looked at; several lives that never met a case prove nothing about it."""
    if out.is_json:
        out.line_of_json({"looks": dict(sorted(tally.counts.items())), "idle": [*idle]})
    looks = ", ".join(f"{name} {number}" for name, number in sorted(tally.counts.items()))
    out.words(_("Looked at: {looks}").format(looks=looks))
    if not idle:
        return Exit.DONE
    names = ", ".join(idle)
    out.words(_("Never anything to check: {names}.").format(names=names))
    return Exit.DONE if count == 1 else Exit.PARTLY_DONE
