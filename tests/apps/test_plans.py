"""No question walks through a whole table: every query in the source is put to SQLite's planner.

The texts are found in the source itself, so that no query is forgotten. What stands in the braces
of an f-string has to be told here.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

import lichen
from lichen.apps import all_apps
from lichen.store.log import LOG_SCHEMA
from lichen.store.log.reader import _BY_KEY, _COLUMNS
from lichen.store.views import base_views

SOURCE = Path(lichen.__file__).parent
VIEW_ROOMS = ("apps", "store/views/queries.py", "store/views/order.py")
LOG_ROOMS = ("store/log/reader.py",)
FILLINGS = {
    "_direction(page)": "DESC",
    "direction": "DESC",
    "marks": "?,?",
    "condition": "NOT IN",
    "_COLUMNS": _COLUMNS,
    "where": f"WHERE {_BY_KEY}",
    "_BY_KEY": _BY_KEY,
    "sieve": "AND instr(data, ?)",
    "'>' if found else '>='": ">=",
    "'bm25(search)' if is_best else '0'": "0",
    "source": "search_times t WHERE t.received_no BETWEEN :bottom AND :top",
    "'search.rowid' if has_words else 't.received_no'": "t.received_no",
}
"""What stands in the braces of a query."""
WHOLE = {
    "SELECT source, target, value, sequence FROM contacts": "the whole graph is asked for",
    "SELECT feed FROM forks JOIN feeds USING (feed_no)": "forks are few",
    "SELECT feed, first, last, source FROM unaudited JOIN feeds USING (feed_no)"
    " ORDER BY feed_no, first": "read once",
    "SELECT ifnull(max(received_no), 0) FROM messages": "one row at the end of the table",
}
"""Queries that go through a table, and why they may. Feeds are gone through once, at opening."""
ONCE = "SELECT feed_no, feed, format, (SELECT max(sequence)"


def queries(*rooms: str) -> Iterator[tuple[str, str]]:
    """Yield where each query stands, and its text."""
    for room in rooms:
        place = SOURCE / room
        for file in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            tree = ast.parse(file.read_text())
            inner = {
                id(part)
                for node in ast.walk(tree)
                if isinstance(node, ast.JoinedStr)
                for part in node.values
            }
            for node in ast.walk(tree):
                text = None if id(node) in inner else text_of(node)
                if text is not None and text.lstrip().startswith(("SELECT ", "WITH ")):
                    name = f"{file.relative_to(SOURCE)}:{getattr(node, 'lineno', 0)}"
                    yield name, " ".join(text.split())


def text_of(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if not isinstance(node, ast.JoinedStr):
        return None
    return "".join(
        str(part.value)
        if isinstance(part, ast.Constant)
        else FILLINGS.get(ast.unparse(part.value), "?told-nowhere?")
        if isinstance(part, ast.FormattedValue)
        else ""
        for part in node.values
    )


@pytest.fixture(scope="module")
def views() -> apsw.Connection:
    db = apsw.Connection(":memory:")
    for view in [*base_views(), *(view for app in all_apps() for view in app.views)]:
        db.execute(view.schema)
    return db


@pytest.fixture(scope="module")
def log() -> apsw.Connection:
    db = apsw.Connection(":memory:")
    for step in LOG_SCHEMA.steps:
        db.execute(step)
    return db


def walks(db: apsw.Connection, sql: str) -> list[str]:
    """Return the steps of a plan that go through a whole table or index."""
    steps = [str(row[3]) for row in db.execute(f"EXPLAIN QUERY PLAN {sql}", apsw._null_bindings)]
    return [
        step
        for step in steps
        # What json_each makes of a list, an index of FTS, and inner queries are as long as asked.
        if step.startswith("SCAN")
        and "VIRTUAL TABLE" not in step
        and not step.startswith(("SCAN CONSTANT ROW", "SCAN (subquery"))
    ]


def found(rooms: tuple[str, ...]) -> list[tuple[str, str]]:
    return list(queries(*rooms))


@pytest.mark.parametrize(("place", "sql"), found(VIEW_ROOMS), ids=lambda text: text[:40])
def test_views_are_asked_by_index(views: apsw.Connection, place: str, sql: str) -> None:
    assert walks(views, sql) == [] or sql in WHOLE, f"{place}: {sql}"


@pytest.mark.parametrize(("place", "sql"), found(LOG_ROOMS), ids=lambda text: text[:40])
def test_log_is_asked_by_index(log: apsw.Connection, place: str, sql: str) -> None:
    is_whole = sql in WHOLE or sql.startswith(ONCE)
    assert walks(log, sql) == [] or is_whole, f"{place}: {sql}"


def test_all_queries_are_found() -> None:
    assert len(found(VIEW_ROOMS)) > 25
    assert len(found(LOG_ROOMS)) > 8


def test_walk_is_noticed(views: apsw.Connection) -> None:
    assert walks(views, "SELECT count(*) FROM links WHERE rel = 'root'")
    assert walks(views, "SELECT received_no FROM messages ORDER BY received_no")
    assert not walks(views, "SELECT received_no FROM messages WHERE type = 'post'")
