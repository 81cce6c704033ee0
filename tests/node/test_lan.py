"""The local network, on loopback: hearing, announcing, and doing neither."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import pytest

from lichen.feed.addresses import NetAddress, encode_address
from lichen.feed.identity import generate_identity
from lichen.node import limits
from lichen.node.client import OfflineClient
from lichen.node.errors import ApiError
from lichen.node.home import network_key_default
from lichen.node.net import lan
from lichen.node.net.lan import ANNOUNCE, LISTEN, OFF, Lan, Network, Throttle, find_networks
from lichen.node.service import Service
from lichen.wire.discovery import encode_plain, encode_signed, parse_plain, parse_signed

ANNA = generate_identity(b"a" * 32)
PLACE = encode_address(NetAddress("10.9.8.7", 8008, ANNA.id))
HERE, THERE = "127.0.0.1", "127.0.0.2"


def free_udp_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((HERE, 0))
        return int(probe.getsockname()[1])


class Ports(NamedTuple):
    plain: int
    signed: int


@pytest.fixture
def ports() -> Ports:
    return Ports(free_udp_port(), free_udp_port())


@pytest.fixture
def open_lan(ports: Ports) -> Callable[..., Any]:
    """Give a service its sockets, on loopback and ports of their own."""

    @asynccontextmanager
    async def open_it(service: Service, mode: str) -> AsyncIterator[Lan]:
        service._lan = Lan(service, host=HERE, plain_port=ports.plain, signed_port=ports.signed)
        await service.set_lan(mode)
        yield service._lan

    return open_it


def say(port: int, data: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(data, (HERE, port))


@pytest.fixture
def listeners(ports: Ports) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Sockets of another machine of the network, on both ports."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as signed,
    ):
        for sock, port in ((plain, ports.plain), (signed, ports.signed)):
            sock.bind((THERE, port))
            sock.setblocking(False)
        yield plain, signed


@pytest.mark.parametrize("is_signed", [True, False])
def test_who_announces_themselves_is_told_and_not_connected(
    open_peer: Any, open_lan: Any, ports: Ports, until: Any, is_signed: bool
) -> None:
    async def run() -> None:
        async with open_peer() as service, open_lan(service, LISTEN):
            notices: list[Any] = []
            service.hub.listen(notices.append)
            client = OfflineClient(service)
            for junk in (b"", b"x" * 5000, b"\xff" * 200, PLACE.encode()[:-3]):
                say(ports.signed, junk)
                say(ports.plain, junk)
            if is_signed:
                say(ports.signed, encode_signed(PLACE, ANNA, network_key_default()))
            else:
                say(ports.plain, encode_plain(PLACE))
            await until(lambda: service.shell.brain.snapshot().staged)
            (found,) = await client.call("lichen.nearby")
            assert (found["peer"], found["address"]) == (ANNA.id, PLACE)
            assert found["is_verified"] is is_signed
            assert 0 <= found["seen_s_ago"] < 30
            assert [(each.topic, each.peer) for each in notices] == [("nearby", ANNA.id)]
            assert await client.call("conn.addresses") == []
            assert service.shell._dials == set()

    asyncio.run(run())


def test_a_port_that_cannot_be_had_is_told_in_words(
    open_peer: Any, open_lan: Any, ports: Ports, until: Any
) -> None:
    async def run() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind((HERE, ports.plain))
            async with open_peer() as service:
                notices: list[Any] = []
                service.hub.listen(notices.append)
                async with open_lan(service, LISTEN):
                    (problem,) = service.lan.problems
                    assert f"UDP port {ports.plain}" in problem
                    assert [(each.topic, each.detail) for each in notices] == [
                        ("lan-failed", problem)
                    ]
                    findings = await OfflineClient(service).call("lichen.doctor")
                    assert ("lan", "warn", problem) in {
                        (each["check"], each["verdict"], each["words"]) for each in findings
                    }
                    say(ports.signed, encode_signed(PLACE, ANNA, network_key_default()))
                    await until(lambda: service.shell.brain.snapshot().staged)

    asyncio.run(run())


def test_two_peers_of_one_machine_share_the_ports(
    open_peer: Any, open_lan: Any, ports: Ports
) -> None:
    async def run() -> None:
        async with (
            open_peer("one") as one,
            open_peer("two") as two,
            open_lan(one, LISTEN),
            open_lan(two, LISTEN),
        ):
            assert (one.lan.problems, two.lan.problems) == ((), ())
            assert one.lan.is_open
            assert two.lan.is_open

    asyncio.run(run())


def test_only_who_agreed_is_announced(
    open_peer: Any, open_lan: Any, listeners: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LAN_ANNOUNCE_S", 0.01)
    monkeypatch.setattr(
        lan, "own_networks", lambda: [Network(HERE, THERE), Network("10.0.0.1", THERE)]
    )
    plain, signed = listeners

    def hear(sock: socket.socket) -> bytes | None:
        try:
            return sock.recv(9000)
        except BlockingIOError:
            return None

    async def run() -> None:
        async with open_peer() as service, open_lan(service, LISTEN):
            client = OfflineClient(service)
            await asyncio.sleep(0.2)
            assert (hear(plain), hear(signed)) == (None, None)
            told = await client.call("lichen.lan", "announce")
            assert told == {"mode": "announce", "is_chosen": True, "is_open": True, "problems": []}
            heard = await until(lambda: hear(signed))
            own = parse_signed(heard, network_key_default())
            assert own is not None
            assert own.is_verified
            assert own.peer == service.keyring.id
            assert service.doors is not None
            assert own.addresses == (NetAddress(HERE, service.doors.port, own.peer),)
            for _ in range(4):
                same = parse_plain(await until(lambda: hear(plain)))
                assert same is not None
                assert same.addresses == own.addresses, "it does not listen at any other"
            for mode in (LISTEN, OFF):
                await client.call("lichen.lan", ANNOUNCE)
                await until(lambda: hear(plain))
                await client.call("lichen.lan", mode)
                while hear(plain) or hear(signed):
                    pass
                await asyncio.sleep(0.1)
                assert (hear(plain), hear(signed)) == (None, None), mode
            assert not service.lan.is_open

    asyncio.run(run())


def test_what_cannot_be_announced_is_told(
    open_peer: Any, open_lan: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "LAN_ANNOUNCE_S", 0.01)
    networks = [Network(HERE, "::1")]
    monkeypatch.setattr(lan, "own_networks", lambda: networks)

    async def run() -> None:
        async with open_peer() as service, open_lan(service, ANNOUNCE):
            await until(lambda: "Nothing can be sent" in "".join(service.lan.problems))
            networks.clear()
            await until(lambda: "no address on a private network" in "".join(service.lan.problems))

    asyncio.run(run())


def test_what_was_chosen_is_remembered(open_peer: Any) -> None:
    async def run() -> None:
        async with open_peer(listens=False) as service:
            assert (service.lan.mode, service.lan.is_chosen) == (LISTEN, False)
        async with open_peer(listens=False, lan=ANNOUNCE):
            pass
        async with open_peer() as service:
            assert (service.lan.mode, service.lan.is_chosen) == (ANNOUNCE, True)
            assert not service.lan.is_open, "only a peer that a person starts opens the sockets"
            await OfflineClient(service).call("lichen.lan", "off")
        async with open_peer(listens=False) as service:
            assert (service.lan.mode, service.lan.is_chosen) == (OFF, True)
            with pytest.raises(ApiError, match="announce, listen, off"):
                await OfflineClient(service).call("lichen.lan", "loud")

    asyncio.run(run())


def test_the_throttle_bounds_everybody_and_each() -> None:
    throttle = Throttle()
    assert sum(throttle.admits("loud", 5.0) for _ in range(1000)) == (
        limits.DATAGRAMS_PER_SENDER_S_MAX
    )
    assert throttle.admits("calm", 5.5)
    everybody = sum(throttle.admits(f"sender {n}", 5.9) for n in range(1000))
    assert everybody == limits.DATAGRAMS_PER_S_MAX - limits.DATAGRAMS_PER_SENDER_S_MAX - 1
    assert not throttle.admits("late", 5.99)
    assert throttle.admits("loud", 6.0)


class Own(NamedTuple):
    family: int
    address: str
    netmask: str | None


def test_only_private_networks_that_are_up_are_announced_on() -> None:
    addresses = {
        "lo": [Own(socket.AF_INET, "127.0.0.1", "255.0.0.0")],
        "eth0": [
            Own(socket.AF_INET, "192.168.1.7", "255.255.255.0"),
            Own(socket.AF_INET6, "fd00::1", "ffff:ffff::"),
            Own(socket.AF_INET, "10.1.2.3", "255.0.0.0"),
        ],
        "world": [Own(socket.AF_INET, "8.8.4.4", "255.255.255.0")],
        "tunnel": [Own(socket.AF_INET, "10.5.0.1", "255.255.255.255")],
        "bare": [Own(socket.AF_INET, "10.6.0.1", None)],
        "down": [Own(socket.AF_INET, "192.168.9.1", "255.255.255.0")],
    }
    found = find_networks(addresses, ["lo", "eth0", "world", "tunnel", "bare", "gone"])
    assert found == [Network("192.168.1.7", "192.168.1.255"), Network("10.1.2.3", "10.255.255.255")]


def test_a_person_lets_go_of_a_peer_and_of_an_address(
    open_peer: Any, link_up: Any, until: Any
) -> None:
    async def run() -> None:
        async with open_peer("one") as one, open_peer("two") as two:
            client = OfflineClient(one)
            await link_up(one, two)
            (address,) = two.doors.addresses()
            (known,) = await client.call("conn.addresses")
            assert (known["address"], known["source"], known["autoconnect"]) == (
                address, "address", True)  # fmt: skip
            assert (known["last_error"], known["next_in_s"]) == (None, None)
            (peer,) = await client.call("conn.peers")
            assert peer["source"] == "address"
            (caller,) = await OfflineClient(two).call("conn.peers")
            assert caller["source"] == "called-us"

            assert await client.call("conn.disconnect", address) == {"peer": two.keyring.id}
            await until(lambda: not two.shell.brain.snapshot().peers)
            (known,) = await client.call("conn.addresses")
            assert known["next_in_s"] is None
            assert known["last_error_words"] == "you disconnected it"
            await client.call("conn.connect", address)
            await client.call("conn.disconnect", two.keyring.id)

            assert await client.call("conn.forget", address) == {"address": address}
            assert await client.call("conn.addresses") == []
            assert one.store.local.addresses() == []
            for name in ("conn.forget", "conn.disconnect"):
                with pytest.raises(ApiError) as fault:
                    await client.call(name, address)
                assert fault.value.slug == "not-found"

    asyncio.run(run())


def test_the_address_book_is_shown_without_a_running_peer(open_peer: Any, link_up: Any) -> None:
    async def run() -> None:
        async with open_peer("one") as one, open_peer("two") as two:
            await link_up(one, two)
            (address,) = two.doors.addresses()
        async with open_peer("one", listens=False) as one:
            client = OfflineClient(one)
            assert [each["address"] for each in await client.call("conn.addresses")] == [address]
            await client.call("conn.forget", address)
            assert await client.call("conn.addresses") == []

    asyncio.run(run())


def test_why_a_dial_failed_is_told_in_words(open_peer: Any) -> None:
    async def run() -> None:
        async with open_peer() as service:
            client = OfflineClient(service)
            nobody = f"net:127.0.0.1:1~shs:{ANNA.id[1:45]}"
            with pytest.raises(ApiError, match="no peer listens there"):
                await client.call("conn.connect", nobody)
            (known,) = await client.call("conn.addresses")
            assert (known["last_error"], known["failures"]) == ("connection-refused", 1)
            assert known["last_error_words"] == "no peer listens there"
            assert known["next_in_s"] is not None

    asyncio.run(run())
