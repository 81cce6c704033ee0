"""Two peers of one local network: unseen until they agree, connected only if wanted."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from networks import Machine, network
from peers import wait_until

HEARD_S = 5.0
"""Time for two announcements of everybody."""

OVERHEAR = """
import select, socket
socks = []
for port in (8008, 26830):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("", port))
    socks.append(sock)
print("listening", flush=True)
while True:
    for sock in select.select(socks, [], [])[0]:
        print(*sock.recvfrom(9000)[1][:1], sock.getsockname()[1], flush=True)
"""


@contextmanager
def overhear(machine: Machine) -> Iterator[Callable[[], set[tuple[str, int]]]]:
    """Hear everything on both ports as a third machine does: (sender, port)."""
    with subprocess.Popen(
        [*machine.within, sys.executable, "-c", OVERHEAR], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "listening\n"

        def stop() -> set[tuple[str, int]]:
            process.kill()
            assert process.stdout is not None
            lines = [line.split() for line in process.stdout]
            return {(host, int(port)) for host, port in lines}

        try:
            yield stop
        finally:
            process.kill()


def staged(peer: Any) -> dict[str, Any]:
    return {each["peer"]: each for each in peer.call("lichen.nearby")}


def test_quiet_peers_are_unseen_and_seen_ones_wait_for_consent(make_lichen: Any) -> None:
    with network(3) as (here, there, elsewhere), overhear(elsewhere) as overheard:
        anna = make_lichen("anna", within=here.within, serving=())
        bert = make_lichen("bert", within=there.within, serving=("--lan",))
        assert anna.call("lichen.lan")["mode"] == "listen"

        wait_until(lambda: bert.feed in staged(anna))
        time.sleep(HEARD_S)
        assert anna.feed not in staged(bert), "nobody sees who has not agreed"
        assert overheard() == {(there.host, 8008), (there.host, 26830)}

        (told,) = anna.command("lan", "on")
        assert told == {"mode": "announce", "is_chosen": True, "is_open": True, "problems": []}
        wait_until(lambda: anna.feed in staged(bert))
        seen = staged(bert)[anna.feed]
        assert seen["is_verified"]
        assert seen["address"].startswith(f"net:{here.host}:")
        time.sleep(HEARD_S)
        assert (anna.connected(), bert.connected()) == ([], []), "being seen is no consent"
        assert bert.call("conn.addresses") == []

        bert.follow(anna.feed)
        wait_until(lambda: bert.connected() == [anna.feed])
        wait_until(lambda: anna.connected() == [bert.feed])
        assert [each["source"] for each in bert.call("conn.peers")] == ["lan"]
        assert [each["source"] for each in anna.call("conn.peers")] == ["called-us"]
        assert staged(bert) == {}
        assert [each["autoconnect"] for each in bert.call("conn.addresses")] == [False]


def test_a_person_consents_and_the_choice_is_remembered(make_lichen: Any) -> None:
    with network(2) as (here, there):
        anna = make_lichen("anna", within=here.within, serving=("--lan",))
        bert = make_lichen("bert", within=there.within, serving=("--no-lan",))
        time.sleep(HEARD_S)
        assert (staged(anna), staged(bert)) == ({}, {}), "one is silent, the other deaf as well"

        bert.command("lan", "quiet")
        wait_until(lambda: anna.feed in staged(bert))
        bert.connect(staged(bert)[anna.feed]["address"])
        wait_until(lambda: anna.connected() == [bert.feed])
        (known,) = bert.call("conn.addresses")
        assert (known["source"], known["autoconnect"]) == ("lan", True)

        anna.stop()
        anna.serving = ()
        anna.start()
        assert anna.call("lichen.lan")["mode"] == "announce"
        # The port is another one now: what a person agreed to was the old address.
        old = {None, known["address"]}
        wait_until(lambda: staged(bert).get(anna.feed, {}).get("address") not in old)
        assert staged(anna) == {}
