"""The tables of views in views.db: whose they are, and making and dropping them."""

import apsw

from lichen.store.schema import Schema
from lichen.store.views.rows import View

VIEWS_SCHEMA = Schema(
    name="views",
    application_id=0x4C63_7677,
    steps=(
        """
        CREATE TABLE view_versions(view TEXT PRIMARY KEY, version INTEGER NOT NULL);
        CREATE TABLE view_tables(name TEXT PRIMARY KEY, view TEXT NOT NULL);
        CREATE TABLE view_folded(
            view TEXT NOT NULL, first INTEGER NOT NULL, first_key BLOB NOT NULL,
            last INTEGER NOT NULL, last_key BLOB NOT NULL, PRIMARY KEY(view, first));
        CREATE TABLE view_faults(
            view TEXT NOT NULL, received_no INTEGER NOT NULL, fault TEXT NOT NULL,
            PRIMARY KEY(view, received_no));
        """,
    ),
)


def create_tables(db: apsw.Connection, view: View) -> None:
    """Create a view's tables and note that they are its."""
    before = _tables(db)
    db.execute(view.schema)
    db.executemany(
        "INSERT INTO view_tables VALUES(?,?)",
        [(name, view.name) for name in sorted(_tables(db) - before)],
    )
    db.execute("INSERT INTO view_versions VALUES(?,?)", (view.name, view.version))


def drop_tables(db: apsw.Connection, name: str) -> None:
    """Drop a view's tables; a virtual table takes the ones behind it along."""
    kinds = db.execute(
        "SELECT s.name, s.type FROM sqlite_schema s JOIN view_tables t ON t.name = s.name"
        " WHERE t.view = ? ORDER BY s.sql LIKE 'CREATE VIRTUAL%' DESC",
        (name,),
    ).fetchall()
    for table, kind in kinds:
        if table in _tables(db):
            db.execute(f'DROP {kind} "{table}"')
    for notes in ("view_tables", "view_folded", "view_faults", "view_versions"):
        db.execute(f"DELETE FROM {notes} WHERE view = ?", (name,))  # noqa: S608 (fixed names)


def _tables(db: apsw.Connection) -> set[str]:
    return {
        name
        for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')")
    }
