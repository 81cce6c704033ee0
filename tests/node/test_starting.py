"""Starting a peer: what is refused in words, what survives, what is distrusted."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest
from structlog.testing import capture_logs

from lichen.feed.identity import generate_identity
from lichen.feed.message import RawMessage
from lichen.node.errors import ApiError
from lichen.node.home import (
    BEING_MADE,
    Home,
    make_private_directory,
    network_key_default,
    write_secret,
)
from lichen.store.errors import StoreReadFailed
from lichen.store.local import Local
from lichen.store.lock import DirectoryLock
from lichen.store.store import Store

OpenPeer = Callable[..., Any]
OpenCalls = Callable[..., Any]
Start = Callable[..., Any]
NETWORK_KEY, HMAC_KEY = b"n" * 32, b"h" * 32
POST = {"type": "post", "text": "hello"}

RACERS = """
import asyncio, os, sys
from pathlib import Path
from lichen.apps import all_apps
from lichen.node.errors import ApiError
from lichen.node.home import Home, Settings
from lichen.node.service import Service

def tell(*words: str) -> None:
    os.write(1, f"{os.getpid()} {' '.join(words)}\\n".encode())

async def run() -> None:
    service = Service(Home(Path(sys.argv[1])), Settings(port=0, host="127.0.0.1"), all_apps())
    try:
        await service.open(is_online=True)
    except ApiError as error:
        tell(error.slug, error.message)
        return
    await service.listen()
    tell("won", "")
    await asyncio.get_running_loop().run_in_executor(None, os.read, stop[0], 1)
    await service.close()

go, stop = os.pipe(), os.pipe()
for _ in range(20):
    if os.fork() == 0:
        os.close(go[1])
        os.close(stop[1])
        os.read(go[0], 1)
        asyncio.run(run())
        sys.exit()
os.close(go[1])
sys.stdin.read()
os.close(stop[1])
for _ in range(20):
    assert os.wait()[1] == 0
"""


async def refusal(open_peer: OpenPeer, *arguments: Any, **settings: Any) -> ApiError:
    """Return the fault with which a peer does not start."""
    with pytest.raises(ApiError) as refused:
        async with open_peer(*arguments, **settings):
            raise AssertionError("it starts")
    assert refused.value.hint, "every refusal names the next step"
    return refused.value


def test_everything_survives_a_restart(open_peer: OpenPeer) -> None:
    async def run() -> None:
        async with open_peer() as peer:
            assert peer.is_new_identity
            own = peer.keyring.id
            (message,) = await peer.publish([POST])
            peer.set_hops(1)
        async with open_peer() as peer:
            assert (peer.keyring.id, peer.is_new_identity) == (own, False)
            assert peer.store.log.get(message.key).data == message.data
            assert peer.hops_max == 1
            assert peer.is_clean_start
            assert not peer.shell.is_guarded
            (second,) = await peer.publish([POST])
            assert (second.sequence, second.previous) == (2, message.key)

    asyncio.run(run())


def test_killed_peer_keeps_what_it_published_and_distrusts_clocks(
    start: Start, open_peer: OpenPeer, open_calls: OpenCalls
) -> None:
    friend = generate_identity(b"\2" * 32).id

    async def publish() -> Any:
        async with open_calls() as calls:
            assert calls.is_live
            return await calls.call("publish", POST)

    async def remember() -> None:
        async with open_peer() as peer:
            await asyncio.wrap_future(peer.store.local.save_clock(friend, {friend: 7}))
        async with open_peer() as peer:
            assert peer.store.local.load_clock(friend) == {friend: 7}

    async def look() -> None:
        async with open_peer() as peer:
            assert not peer.is_clean_start
            assert peer.store.local.load_clock(friend) == {}
            assert peer.store.log.get(published["key"]).sequence == 1
        async with open_peer() as peer:
            assert peer.is_clean_start
            assert peer.store.local.load_clock(friend) == {}

    asyncio.run(remember())
    process = start()
    published = asyncio.run(publish())
    process.popen.send_signal(signal.SIGKILL)
    process.end()
    assert os.path.lexists(process.home.socket)
    asyncio.run(look())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_a_peer_in_good_order(
    number: signal.Signals, start: Start, open_peer: OpenPeer
) -> None:
    process = start()
    process.popen.send_signal(number)
    assert process.popen.wait(30) == 0
    assert process.err.read_bytes() == b""
    assert not os.path.lexists(process.home.socket)

    async def look() -> None:
        async with open_peer() as peer:
            assert peer.is_clean_start

    asyncio.run(look())


def test_directory_in_use_names_the_process_that_has_it(start: Start, open_peer: OpenPeer) -> None:
    process = start()
    fault = asyncio.run(refusal(open_peer))
    assert fault.slug == "locked"
    assert fault.exit_code == 11
    assert f"process {process.popen.pid}" in fault.message


def test_of_twenty_simultaneous_starts_one_wins(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RACERS, str(tmp_path / "peer")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe) as racers:
        said = [racers.stdout.readline().decode().split(maxsplit=2) for _ in range(20)]
        winners = [words[0] for words in said if words[1] == "won"]
        assert len(winners) == 1, said
        for words in said:
            if words[0] not in winners:
                assert words[1] == "locked", words
                assert f"process {winners[0]}" in words[2] or "another process" in words[2]
        _out, err = racers.communicate(timeout=30)
        assert (racers.returncode, err) == (0, b"")
    assert Home(tmp_path / "peer").secret.exists()


def test_directory_that_another_process_is_just_making(open_peer: OpenPeer, tmp_path: Path) -> None:
    directory = tmp_path / "peer"
    make_private_directory(directory)
    lock = DirectoryLock(directory)
    db = apsw.Connection(str(directory / "log.db"))
    db.execute("CREATE TABLE half_made(x)")
    assert asyncio.run(refusal(open_peer)).slug == "locked"
    db.close()
    lock.release()


def test_port_in_use(open_peer: OpenPeer, open_calls: OpenCalls) -> None:
    async def run() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            async with open_peer(listens=False) as peer:
                peer.settings = type(peer.settings)(port=port, host="127.0.0.1")
                with pytest.raises(ApiError, match=f"Port {port} is in use") as refused:
                    await peer.listen()
        assert refused.value.slug == "failed"
        assert "--port" in refused.value.hint
        async with open_peer() as peer, open_calls() as calls:
            assert calls.is_live, "the directory is free again"
            assert await calls.call("whoami") == {"id": peer.keyring.id}

    asyncio.run(run())


def test_host_that_is_not_here(open_peer: OpenPeer) -> None:
    async def run() -> None:
        async with open_peer(listens=False) as peer:
            peer.settings = type(peer.settings)(port=0, host="192.0.2.1")
            with pytest.raises(ApiError, match=r"192\.0\.2\.1") as refused:
                await peer.listen()
            assert "--host" in refused.value.hint

    asyncio.run(run())


def test_keys_of_the_network_are_remembered_and_another_one_refused(open_peer: OpenPeer) -> None:
    async def run() -> None:
        async with open_peer(network_key=NETWORK_KEY, hmac_key=HMAC_KEY) as peer:
            (message,) = await peer.publish([POST])
        async with open_peer() as peer:
            assert peer.keyring._network_key == NETWORK_KEY
            (message,) = await peer.publish([POST])
            raw = peer.format.parse(message.data)
            assert (await asyncio.wrap_future(peer.store.ingest([raw]))).duplicates
        for wrong in (
            {"network_key": b"m" * 32},
            {"hmac_key": b"i" * 32},
            {"network_key": network_key_default(), "hmac_key": HMAC_KEY},
        ):
            fault = await refusal(open_peer, **wrong)
            assert (fault.slug, fault.exit_code) == ("wrong-key", 12)
        async with open_peer(network_key=NETWORK_KEY, hmac_key=HMAC_KEY) as peer:
            assert peer.store.log.received(peer.keyring.id) == 2

    asyncio.run(run())


def test_hmac_key_is_not_added_later(open_peer: OpenPeer) -> None:
    async def run() -> None:
        async with open_peer() as peer:
            assert peer.keyring._network_key == network_key_default()
        assert (await refusal(open_peer, hmac_key=HMAC_KEY)).slug == "wrong-key"

    asyncio.run(run())


def test_secret_that_is_gone_is_not_replaced(open_peer: OpenPeer, tmp_path: Path) -> None:
    async def run() -> None:
        async with open_peer() as peer:
            own = peer.keyring.id
            kept = peer.home.secret.read_bytes()
            peer.home.secret.unlink()
        fault = await refusal(open_peer)
        assert (fault.slug, fault.exit_code) == ("no-identity", 10)
        assert own in fault.message
        secret = Home(tmp_path / "peer").secret
        assert not secret.exists()
        secret.write_bytes(kept)
        secret.chmod(0o400)
        async with open_peer() as peer:
            assert peer.keyring.id == own

    asyncio.run(run())


def test_secret_of_somebody_else_is_refused(open_peer: OpenPeer) -> None:
    async def run() -> None:
        async with open_peer() as peer:
            own = peer.keyring.id
            peer.home.secret.unlink()
            write_secret(peer.home, generate_identity(b"\3" * 32))
        fault = await refusal(open_peer)
        assert own in fault.message
        assert fault.slug == "wrong-key"

    asyncio.run(run())


def spoil_text(path: Path) -> None:
    path.write_bytes(b"not a database" * 1000)


def spoil_pages(path: Path) -> None:
    """Overwrite everything but the first pages, as a dying disk does."""
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xa5" * (path.stat().st_size - 8192))


def spoil_version(path: Path) -> None:
    db = apsw.Connection(str(path))
    db.execute(f"PRAGMA user_version = {db.execute('PRAGMA user_version').get + 1}")
    db.close()


@pytest.mark.parametrize(
    ("spoil", "file", "words"),
    [
        (spoil_text, "log.db", "cannot be read"),
        (spoil_text, "local.db", "cannot be read"),
        (spoil_version, "log.db", "knows formats up to"),
        (spoil_version, "local.db", "knows formats up to"),
    ],
)
def test_files_that_cannot_be_used(
    spoil: Callable[[Path], None], file: str, words: str, open_peer: OpenPeer
) -> None:
    async def run() -> None:
        async with open_peer() as peer:
            await peer.publish([POST])
            path = peer.home.directory / file
        spoil(path)
        before = path.read_bytes()
        fault = await refusal(open_peer)
        assert words in fault.message
        assert str(path) in fault.message
        assert fault.slug == ("failed" if spoil is spoil_version else "damaged")
        assert path.read_bytes() == before, "what cannot be understood is left alone"

    asyncio.run(run())


def test_damaged_pages_end_in_words_not_in_a_crash(open_peer: OpenPeer) -> None:
    async def run() -> None:
        async with open_peer() as peer:
            await peer.publish([POST] * 500)
            path = peer.home.directory / "log.db"
        spoil_pages(path)
        fault = await refusal(open_peer)
        assert fault.slug == "damaged"
        assert await refusal(open_peer), "nothing of the first attempt is left behind"

    asyncio.run(run())


def test_fault_after_the_files_are_open_lets_go_of_them(
    open_peer: OpenPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        with monkeypatch.context() as patch:

            def fail(_store: Store) -> None:
                raise StoreReadFailed("the disk reports an input or output error")

            patch.setattr(Store, "contacts", fail)
            with pytest.raises(ApiError, match="input or output error"):
                async with open_peer():
                    pass
        async with open_peer() as peer:
            assert len(await peer.publish([POST])) == 1

    asyncio.run(run())


def test_views_are_made_anew_when_they_are_damaged(open_peer: OpenPeer) -> None:
    async def run() -> None:
        async with open_peer() as peer:
            await peer.publish([POST] * 50)
            path = peer.home.directory / "views.db"
        spoil_text(path)
        async with open_peer() as peer:
            await asyncio.wrap_future(peer.store.wait_folded())
            assert peer.store.views.progress()[0].folded == 50

    with capture_logs() as told:
        asyncio.run(run())
    said = [each["words"] for each in told if each["event"] == "store"]
    assert any("made anew from the log" in words for words in said), "it is written down"


@pytest.mark.parametrize(("owner", "step"), [(Store, "bind_own"), (Local, "begin_run")])
def test_a_sudden_end_of_the_very_first_start_does_not_close_publishing(
    open_peer: OpenPeer, monkeypatch: pytest.MonkeyPatch, owner: type, step: str
) -> None:
    """The key was made here a moment ago: nobody else can have used it."""

    class DeathError(BaseException):
        pass

    def die(*_args: object) -> None:
        raise DeathError

    async def start() -> None:
        async with open_peer():
            raise AssertionError("it starts")

    async def scene() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(owner, step, die)
            with pytest.raises(DeathError):
                await start()
        async with open_peer() as peer:
            assert not peer.is_new_identity
            assert not peer.shell.is_guarded
            assert peer.store.local.setting(BEING_MADE) is None
            await peer.publish([POST])

    asyncio.run(scene())


@pytest.mark.usefixtures("paused_audit")
def test_who_sent_what_fails_its_audit_before_the_brain_is_there_is_distrusted(
    open_peer: OpenPeer, author: Callable[[int], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, crook = author(1), author(2)
    texts = [alice.write(1, {"type": "post", "text": text})[0] for text in ("Łx", "y")]
    batch = [RawMessage(alice.id, 1, texts[0].data.replace("Ł".encode(), b"A")), texts[1]]
    contacts = Store.contacts

    def after_the_audit(store: Store) -> Any:
        store.wait_audited().result(10)
        return contacts(store)

    async def run() -> None:
        async with open_peer(listens=False) as peer:
            ingested = peer.store.ingest(batch, source=crook.id, verifies_all=False)
            await asyncio.wrap_future(ingested)
            assert peer.store.log.received(alice.id) == 2
        monkeypatch.setattr(Store, "contacts", after_the_audit)
        async with open_peer(listens=False) as peer:
            assert peer.store.log.received(alice.id) == 0
            assert peer.shell.brain.snapshot().distrusted == (crook.id,)

    asyncio.run(run())
