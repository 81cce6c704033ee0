"""The database files of a data directory, opened for looking only, and what SQLite says of them."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import apsw

from lichen.store.binding import LOG_FILE
from lichen.store.errors import DAMAGED, NotWritable, reason_of
from lichen.store.local import LOCAL_SCHEMA
from lichen.store.log import LOG_SCHEMA
from lichen.store.schema import BUSY_WAIT_MS_MAX, Schema, refuse_newer
from lichen.store.views.tables import VIEWS_SCHEMA
from lichen.words import N_, phrase_of

LOCAL_FILE = "local.db"
VIEWS_FILE = "views.db"
SECRET_FILE = "secret"  # noqa: S105 (its name)
SCHEMAS: Mapping[str, Schema] = {
    LOG_FILE: LOG_SCHEMA,
    LOCAL_FILE: LOCAL_SCHEMA,
    VIEWS_FILE: VIEWS_SCHEMA,
}
_WAITING = N_("its newest part lies in the file -wal beside it, which is read by writing")
FAULTS_TOLD_MAX = 10
"""Sentences of SQLite about one file: more help nobody."""


def open_for_looking(path: Path) -> apsw.Connection:
    """Open a database that is not changed, also where nothing can be written.

    There it can be read only if no write-ahead log waits beside it, which would be passed over;
    else raises ``NotWritable``.
    """
    db = _open(str(path), apsw.SQLITE_OPEN_READONLY)
    try:
        db.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    except apsw.CantOpenError as error:
        # Beside a file in write-ahead mode SQLite makes another one; here that is not possible.
        db.close(True)
        waiting = Path(f"{path}-wal")
        if waiting.exists() and waiting.stat().st_size:
            raise NotWritable(path, _WAITING) from error
        return _open(
            f"file:{quote(str(path))}?immutable=1", apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        )
    except apsw.Error:
        pass  # what is read of it will show what is the matter
    return db


def refuse_newer_files(directory: Path) -> None:
    """Raise ``NewerFormat`` if a later version wrote what cannot be made anew."""
    for name in (LOG_FILE, LOCAL_FILE):
        refuse_newer(directory / name, SCHEMAS[name])


def structure_faults(path: Path, schema: Schema, *, is_quick: bool) -> list[str]:
    """Return what is damaged in the structure of one file; a missing file has no faults."""
    if not path.exists():
        return []
    try:
        db = open_for_looking(path)
        try:
            found_id, version = db.pragma("application_id"), db.pragma("user_version")
            if found_id != schema.application_id and path.stat().st_size > 0:
                return [N_("it is not a {name} file of this program", name=schema.name)]
            if schema.is_newer(version):
                return [N_("it was written by a later version of this program")]
            if path.stat().st_size > 0 and _is_other(db, schema, version):
                return [phrase_of(DAMAGED)]
            check = "quick_check" if is_quick else "integrity_check"
            found = [
                " ".join(str(words).split())
                for (words,) in db.execute(f"PRAGMA {check}({FAULTS_TOLD_MAX})")
            ]
        finally:
            db.close(True)
    except (apsw.Error, OSError, UnicodeDecodeError) as error:
        return [phrase_of(reason_of(error))]
    return [] if found == ["ok"] else found


def _is_other(db: apsw.Connection, schema: Schema, version: int) -> bool:
    """Tell whether the columns of a file are not those of its format: to SQLite both are texts."""
    if not 0 < version <= schema.version:
        return True
    with closing(apsw.Connection(":memory:")) as made:
        for step in schema.steps[:version]:
            made.execute(step)
        wanted = _columns(made)
        for step in schema.steps[version:]:
            made.execute(step)
        return _columns(made) & _columns(db) != wanted


def _columns(db: apsw.Connection) -> set[tuple[str, str]]:
    return set(
        db.execute(
            "SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c"
            " WHERE m.type = 'table'"
        )
    )


def _open(name: str, flags: int) -> apsw.Connection:
    db = apsw.Connection(name, flags=flags)
    db.set_busy_timeout(BUSY_WAIT_MS_MAX)
    return db
