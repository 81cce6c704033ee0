"""Every command of the tree keeps the promises that all commands make."""

import shlex
from collections.abc import Callable, Iterator
from typing import Any

import click
import pytest

from lichen.cli.command import LichenCommand
from lichen.cli.exits import Exit
from lichen.cli.main import COMMANDS, build_group
from lichen.node.errors import EXIT_CODES

GROUP = build_group()


def leaves(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None, name
        if isinstance(found, click.Group):
            yield from leaves(found, (*path, name))
        else:
            yield (*path, name)


PATHS = sorted(leaves(GROUP))


def find(path: tuple[str, ...]) -> LichenCommand:
    found: click.Command = GROUP
    for name in path:
        assert isinstance(found, click.Group)
        inner = found.get_command(click.Context(found), name)
        assert inner is not None
        found = inner
    assert isinstance(found, LichenCommand), path
    return found


def test_all_promised_commands_are_there() -> None:
    promised = """addresses allow-publishing backup block connect disconnect doctor export follow
        forget fsck help hops import lan log name nearby open peers people post publish rebuild
        restore search start status thread trust unfollow whoami"""
    assert {path[0] for path in PATHS if len(path) == 1} == set(promised.split())
    assert {path for path in PATHS if len(path) == 2} == {
        *(("blob", name) for name in ("add", "get", "has", "want")),
        ("identity", "import"),
        ("lab", "corpus"),
        ("lab", "list"),
        ("lab", "replay"),
        ("lab", "reproduce"),
    }
    experiments = ["broadcast", "degree", "election", "flood", "gossip", "joining", "topology"]
    assert {path for path in PATHS if len(path) > 2} == {
        ("lab", way, name) for way in ("run", "sweep") for name in experiments
    }


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_help_begins_with_examples_and_tells_exit_codes(
    path: tuple[str, ...], lichen: Callable[..., Any]
) -> None:
    ended = lichen(*path, "--help")
    assert ended.code == Exit.DONE
    assert ended.out.startswith("Examples:\n  ")
    assert "--json" in ended.out
    before, codes = ended.out.split("Exit codes:\n")
    assert "lichen " + " ".join(path) in before.split("Usage:")[0]
    told = {
        int(line.split()[0])
        for line in codes.splitlines()
        if line.startswith("  ") and line.split()[0].isdigit()
    }
    assert told == set(find(path).exits)
    assert {Exit.DONE, Exit.FAILED, Exit.USAGE, Exit.INTERRUPTED} <= told


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_examples_can_be_typed(path: tuple[str, ...]) -> None:
    for example in find(path).examples:
        for part in example.replace("&&", "|").split(" | "):
            words = shlex.split(part.split("  #")[0].split("<")[0], comments=False)
            if words[0] != "lichen":
                continue
            command: click.Command = GROUP
            words = words[1:]
            while isinstance(command, click.Group):
                inner = command.get_command(click.Context(command), words.pop(0))
                assert inner is not None, example
                command = inner
            command.make_context("lichen", words)


@pytest.mark.parametrize("path", PATHS, ids=" ".join)
def test_wrong_option_is_one_object_with_json(
    path: tuple[str, ...], lichen: Callable[..., Any]
) -> None:
    ended = lichen(*path, "--no-such-option", "--json")
    assert ended.code == Exit.USAGE
    assert ended.out == ""
    assert ended.fault["message_type"] == "exit_error"
    assert ended.fault["code"] == 2
    assert ended.fault["error"] == "usage"
    assert "--no-such-option" in ended.fault["message"]
    assert ended.fault["hint"].startswith("Try: lichen")


def test_summaries_stand_in_the_help_of_all(lichen: Callable[..., Any]) -> None:
    text = lichen("--help").out
    assert text.startswith("Examples:\n")
    for section, commands in COMMANDS.items():
        assert f"\n{section}:\n" in text
        for name, (_module, words) in commands.items():
            assert any(line.split() == [name, *words.split()] for line in text.splitlines()), name


def test_faults_of_the_peer_have_the_codes_of_the_table() -> None:
    slugs = {code.slug: int(code) for code in Exit}
    assert {slug: slugs[slug] for slug in EXIT_CODES} == EXIT_CODES


def test_exit_codes_are_told_and_all_have_words(lichen: Callable[..., Any]) -> None:
    rows = lichen("help", "exit-codes", "--json").lines
    assert [row["code"] for row in rows] == [*range(15), 130]
    assert all(row["words"] for row in rows)
    for row in rows:
        assert row["words"] in lichen("help", "exit-codes").out


@pytest.mark.parametrize("topic", ["ids", "settings", "log", "lab corpus"])
def test_topics_and_commands_are_explained(topic: str, lichen: Callable[..., Any]) -> None:
    ended = lichen("help", *topic.split())
    assert ended.code == Exit.DONE
    assert len(ended.out) > 200


def test_unknown_topic_names_the_topics(lichen: Callable[..., Any]) -> None:
    ended = lichen("help", "weather")
    assert ended.code == Exit.USAGE
    assert "exit-codes" in ended.err


def test_misspelt_command_is_corrected(lichen: Callable[..., Any]) -> None:
    ended = lichen("stauts")
    assert ended.code == Exit.USAGE
    assert "lichen status" in ended.err
