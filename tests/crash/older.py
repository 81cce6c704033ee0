"""Data of an earlier version: a folder as it was before the last steps of its formats."""

from pathlib import Path
from random import Random

import apsw

from lichen.store.local import LOCAL_SCHEMA
from lichen.store.log import LOG_SCHEMA
from lichen.store.schema import Schema

DRAFTS_SINCE = 2
"""The format of local.db that first has drafts."""


def make_older(directory: Path, rng: Random) -> bool:
    """Bring files back to an earlier format by chance; tell whether drafts were lost by it."""
    log = directory / "log.db"
    if log.exists() and not _has_unaudited(log):  # earlier versions had checked everything
        _make_older(log, LOG_SCHEMA, rng.randint(1, LOG_SCHEMA.version))
    version = rng.randint(1, LOCAL_SCHEMA.version)
    _make_older(directory / "local.db", LOCAL_SCHEMA, version)
    views = directory / "views.db"
    if views.exists():
        with apsw.Connection(str(views)) as db:
            is_older = rng.random() < 0.5 and _tables(db)
            if is_older:
                db.execute("UPDATE view_versions SET version = version - 1")
        db.close()
    return version < DRAFTS_SINCE


def _has_unaudited(path: Path) -> bool:
    db = apsw.Connection(str(path))
    found = "unaudited" in _tables(db) and db.execute("SELECT count(*) FROM unaudited").get
    db.close()
    return bool(found)


def _make_older(path: Path, schema: Schema, version: int) -> None:
    if not path.exists():
        return
    newer = apsw.Connection(str(path))
    found = newer.pragma("user_version")
    newer.pragma("wal_checkpoint(truncate)")
    newer.close()
    if found <= version:
        return
    scratch = path.with_suffix(".older")
    scratch.unlink(missing_ok=True)
    db = apsw.Connection(str(scratch))
    db.pragma("page_size", schema.page_bytes)
    for step in schema.steps[:version]:
        db.execute(step)
    db.execute("ATTACH ? AS newer", (str(path),))
    for table in _tables(db):
        known = _columns(db, "newer", table)
        columns = ", ".join(name for name in _columns(db, "main", table) if name in known)
        db.execute(f"REPLACE INTO main.{table}({columns}) SELECT {columns} FROM newer.{table}")
    db.execute("DETACH newer")
    db.pragma("application_id", schema.application_id)
    db.pragma("user_version", version)
    db.pragma("journal_mode", "wal")
    db.close()
    for suffix in ("-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    scratch.replace(path)


def _tables(db: apsw.Connection) -> list[str]:
    return [
        name
        for (name,) in db.execute(
            "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        )
    ]


def _columns(db: apsw.Connection, schema: str, table: str) -> list[str]:
    return [
        name for (name,) in db.execute("SELECT name FROM pragma_table_info(?, ?)", (table, schema))
    ]
