"""Files of every earlier format are brought forward whole, or stay exactly as they were."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from lichen.store.errors import NewerFormat, Unreadable
from lichen.store.keeping.files import SCHEMAS
from lichen.store.schema import Schema, open_for_writing
from lichen.store.store import Store

OLDER = [
    pytest.param(name, version, id=f"{name}-{version}")
    for name, schema in SCHEMAS.items()
    for version in range(1, schema.version)
]
ROWS = {
    "log.db": [
        "INSERT INTO meta VALUES('network_key', zeroblob(32))",
        "INSERT INTO feeds VALUES(7, '@a', 'classic')",
        "INSERT INTO messages VALUES(1, 7, 1, zeroblob(32), 1.5, x'7b7d')",
        "INSERT INTO forks VALUES(7, 1, x'01', x'02', x'03', x'04')",
    ],
    "local.db": [
        "INSERT INTO settings VALUES('hops', '3')",
        "INSERT INTO peer_clocks VALUES('@p', 1, '{}')",
        "INSERT INTO addresses(address, peer, autoconnect, failures) VALUES('net:a', '@p', 1, 2)",
        "UPDATE guard SET is_guarded = 1",
        "INSERT INTO log_seen VALUES(1, 9, '%key')",
    ],
    "views.db": ["INSERT INTO view_versions VALUES('links', 1)"],
}
DIE_IN_LAST_STEP = """
import os, signal, sys
from pathlib import Path
import apsw, msgspec
from lichen.store.keeping.files import SCHEMAS
from lichen.store.schema import open_for_writing

def die():
    os.kill(os.getpid(), signal.SIGKILL)

apsw.connection_hooks.append(lambda db: db.create_scalar_function("die", die))
path = Path(sys.argv[1])
schema = SCHEMAS[path.name]
*first, last = schema.steps
open_for_writing(path, msgspec.structs.replace(schema, steps=(*first, last + "; SELECT die();")))
"""


def make_old(path: Path, schema: Schema, version: int) -> None:
    """Make a file as the program of that time did, with rows in it."""
    db = apsw.Connection(str(path))
    db.pragma("journal_mode", "wal")
    for step in schema.steps[:version]:
        db.execute(step)
    for row in ROWS[path.name]:
        db.execute(row)
    db.pragma("application_id", schema.application_id)
    db.pragma("user_version", version)
    db.close()


def contents(path: Path) -> dict[str, list[dict[str, Any]]]:
    """Return every row of every table, with the names of the columns."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    tables = [
        name
        for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        if not name.startswith("sqlite_")
    ]
    found = {}
    for table in tables:
        names = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        rows = db.execute(f"SELECT * FROM {table}").fetchall()
        found[table] = [dict(zip(names, row, strict=True)) for row in rows]
    found["format"] = [{"version": db.pragma("user_version")}]
    db.close()
    return found


def columns(path: Path) -> set[tuple[str, str, str]]:
    """Return table, name and type of every column."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    found = set(
        db.execute(
            "SELECT s.name, c.name, c.type FROM sqlite_schema s, pragma_table_info(s.name) c"
        )
    )
    db.close()
    return found


@pytest.mark.parametrize(("name", "version"), OLDER)
def test_old_file_is_brought_forward_with_all_its_rows(
    tmp_path: Path, name: str, version: int
) -> None:
    path, schema = tmp_path / name, SCHEMAS[name]
    make_old(path, schema, version)
    before = contents(path)
    open_for_writing(path, schema).close()
    after = contents(path)
    assert after.pop("format") == [{"version": schema.version}]
    before.pop("format")
    for table, rows in before.items():
        assert [
            {key: row[key] for key in old} for old, row in zip(rows, after[table], strict=True)
        ] == rows
    new_path = tmp_path / "new" / name
    new_path.parent.mkdir()
    open_for_writing(new_path, schema).close()
    assert columns(path) == columns(new_path)


@pytest.mark.parametrize(("name", "version"), OLDER)
def test_killed_in_the_middle_it_has_the_old_format(
    tmp_path: Path, name: str, version: int
) -> None:
    path, schema = tmp_path / name, SCHEMAS[name]
    make_old(path, schema, version)
    before = contents(path)
    killed = subprocess.run([sys.executable, "-c", DIE_IN_LAST_STEP, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert contents(path) == before
    open_for_writing(path, schema).close()
    assert contents(path)["format"] == [{"version": schema.version}]


def test_refused_step_leaves_the_old_format(tmp_path: Path) -> None:
    path, schema = tmp_path / "local.db", SCHEMAS["local.db"]
    make_old(path, schema, 1)
    before = contents(path)
    broken = Schema(schema.name, schema.application_id, (*schema.steps, "SELECT no_such()"))
    with pytest.raises(Unreadable):
        open_for_writing(path, broken)
    assert contents(path) == before


def test_nothing_is_brought_forward_beside_a_newer_file(
    open_store: Callable[..., Store], tmp_path: Path
) -> None:
    """The version that wrote the newer file must still find what it knows."""
    open_store(directory=tmp_path).close()
    db = apsw.Connection(str(tmp_path / "log.db"))
    db.pragma("user_version", 99)
    db.close()
    (tmp_path / "local.db").unlink()
    make_old(tmp_path / "local.db", SCHEMAS["local.db"], 1)
    db = apsw.Connection(str(tmp_path / "local.db"))
    db.close()
    before = contents(tmp_path / "local.db")
    with pytest.raises(NewerFormat):
        open_store(directory=tmp_path)
    assert contents(tmp_path / "local.db") == before
    (tmp_path / "log.db").unlink()
    db = apsw.Connection(str(tmp_path / "local.db"))
    db.pragma("user_version", 99)
    db.close()
    with pytest.raises(NewerFormat):
        open_store(directory=tmp_path)
    assert not (tmp_path / "log.db").exists()
