"""Whatever is done to a file: what is damaged is found, and healing ends whole.

Nothing gets into the healed log that nobody wrote, and with what peers have it is complete again.
"""

import os
import random
from collections.abc import Callable
from typing import Any

import apsw
import pytest

from lichen.store.errors import StoreError
from lichen.store.keeping.report import Depth

Peer = Any
SEEDS = int(os.environ.get("LICHEN_KEEPING_SEEDS", "10"))


def flip_bits(content: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice([1, 1, 3, 20])):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def zero_sectors(content: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice([1, 2, 8])):
        start = rng.randrange(len(content) // 512) * 512
        content[start : start + 512] = bytes(512)


def scramble_page(content: bytearray, rng: random.Random) -> None:
    start = rng.randrange(len(content) // 8192) * 8192
    content[start : start + 8192] = rng.randbytes(8192)


def swap_pages(content: bytearray, rng: random.Random) -> None:
    one, other = (rng.randrange(1, len(content) // 8192) * 8192 for _ in range(2))
    content[one : one + 8192], content[other : other + 8192] = (
        content[other : other + 8192],
        content[one : one + 8192],
    )


def truncate(content: bytearray, rng: random.Random) -> None:
    del content[rng.randrange(1, len(content)) :]


DAMAGES: list[Callable[[bytearray, random.Random], None]] = [
    flip_bits,
    zero_sectors,
    scramble_page,
    swap_pages,
    truncate,
]


@pytest.mark.parametrize("seed", range(SEEDS))
def test_any_damage_is_healed(peer: Peer, seed: int) -> None:
    rng = random.Random(seed)
    content = bytearray(peer.log.read_bytes())
    DAMAGES[seed % len(DAMAGES)](content, rng)
    peer.log.write_bytes(content)
    peer.check(Depth.CHAIN)
    damages = peer.check().damages
    healed = peer.heal()
    assert healed.is_log_new == any(each.place in {"log", "feed", "fork"} for each in damages)
    assert peer.check().damages == []
    store = peer.open()
    written = {m.key: m.data for who in (peer.me, peer.ada, peer.bob) for m in who.messages}
    held = list(store.log.since(0, 1000))
    for stored in held:
        assert written.get(stored.key, stored.data) == stored.data
    if healed.is_log_new and (healed.unread or healed.aside):
        own = store.log.received(peer.me.id)
        assert own == len(peer.me.messages) or store.local.guard().is_guarded
    for who in (peer.me, peer.ada, peer.bob):
        store.ingest(who.sent).result(30)
        assert store.log.received(who.id) == 60
    assert store.log.damage() == ""
    store.wait_folded().result(30)
    assert store.views.read("SELECT count(*) FROM messages") == [(store.log.last_no,)]


def change_value(peer: Peer, rng: random.Random) -> str:
    """Flip a bit of one value of one row, as a disk may do it; tell what was changed."""
    name = rng.choice(["log.db", "local.db"])
    db = apsw.Connection(str(peer.directory / name))
    tables = [
        table
        for (table,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        if table != "meta" and db.execute(f"SELECT count(*) FROM {table}").get
    ]  # what the log says of its network stands nowhere else
    table = rng.choice(tables)
    column = rng.choice([row[1] for row in db.execute(f"PRAGMA table_info({table})")])
    values = [value for (value,) in db.execute(f"SELECT {column} FROM {table}") if value]
    if not values:
        return "nothing"
    value: Any = rng.choice(values)
    if isinstance(value, int):
        changed: Any = value ^ 1 << rng.randrange(40)
    elif isinstance(value, float):
        changed = value * 2.0 ** rng.choice([-60, 60])
    else:
        changed = bytearray(value.encode() if isinstance(value, str) else value)
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        changed = bytes(changed)
    cast = "CAST(? AS TEXT)" if isinstance(value, str) else "?"
    db.execute(
        f"UPDATE OR IGNORE {table} SET {column} = {cast} WHERE {column} = ?", (changed, value)
    )
    db.close()
    return f"{name}: {table}.{column}: {value!r} is {changed!r}"


@pytest.mark.parametrize("seed", range(SEEDS * 3))
def test_what_a_check_calls_whole_opens(peer: Peer, seed: int) -> None:
    said = change_value(peer, random.Random(seed))
    is_whole = not peer.check().damages
    try:
        store = peer.open()
        store.wait_audited().result(10)
        store.wait_folded().result(10)
        store.close()
    except StoreError:
        assert not is_whole, said
    peer.heal()
    assert peer.check().damages == [], said
    store = peer.open()
    store.wait_folded().result(10)
    for who in (peer.me, peer.ada, peer.bob):
        store.ingest(who.sent).result(30)
        assert store.log.received(who.id) == 60, said
