"""Peers seen nearby: shown to people, dialled only if followed, and gone when unseen."""

from typing import Any

import pytest

from lichen.feed.content import Contact
from lichen.feed.message import FeedId
from lichen.gossip import effects, events
from lichen.gossip.connections.staging import local_address
from lichen.gossip.limits import STAGED_ADDRESSES_MAX, STAGED_PEERS_MAX, STAGED_S_MAX
from lichen.lab.world.peers import lab_feed_id

STRANGER, FRIEND = 9, 1


def address(number: int, host: str = "192.168.1.7", port: int = 8008) -> str:
    return f"net:{host}:{port}~shs:{lab_feed_id(number)[1:45]}"


def seen(number: int, *, verified: bool = True, **place: Any) -> events.PeerSeen:
    return events.PeerSeen(address(number, **place), lab_feed_id(number), verified)


def staged(probe: Any) -> list[FeedId]:
    return [each.peer for each in probe.node.snapshot().staged]


def topics(probe: Any, found: list[Any] | None = None) -> list[tuple[str, FeedId | None]]:
    return [
        (each.topic, each.peer)
        for each in probe.of(effects.Notify, found)
        if each.topic.startswith("nearby")
    ]


def test_a_stranger_is_shown_and_not_dialled(make_probe: Any) -> None:
    probe = make_probe()
    probe.tell(seen(STRANGER))
    assert topics(probe) == [("nearby", probe.ids[STRANGER])]
    assert staged(probe) == [probe.ids[STRANGER]]
    probe.tell(seen(STRANGER), after_s=2.0)
    assert topics(probe) == [], "they are news once"
    assert probe.of(effects.Dial, probe.everything + probe.wait(5.0)) == []
    (shown,) = probe.node.snapshot().staged
    assert (shown.address, shown.is_verified) == (address(STRANGER), True)
    assert shown.seen_at == probe.now - 5.0


def test_who_is_unseen_is_gone(make_probe: Any) -> None:
    probe = make_probe()
    probe.tell(seen(STRANGER))
    probe.tell(seen(STRANGER), after_s=6.0)
    assert topics(probe, probe.wait(STAGED_S_MAX - 0.5)) == []
    assert staged(probe) == [probe.ids[STRANGER]]
    assert topics(probe, probe.wait(0.5, step_s=0.5)) == [("nearby-gone", probe.ids[STRANGER])]
    assert staged(probe) == []
    assert probe.node._parts.timers.next_at() is None


def test_the_timer_alone_lets_go(make_probe: Any) -> None:
    probe = make_probe()
    probe.tell(seen(STRANGER))
    (wake,) = probe.of(effects.WakeAt)
    assert wake.at == probe.now + STAGED_S_MAX
    probe.tell(events.Woke(), after_s=STAGED_S_MAX)
    assert topics(probe) == [("nearby-gone", probe.ids[STRANGER])]


def test_whom_we_follow_is_dialled_and_not_kept(make_probe: Any) -> None:
    probe = make_probe()
    probe.tell(seen(FRIEND))
    assert probe.of(effects.Dial) == [effects.Dial(address(FRIEND), probe.ids[FRIEND])]
    assert probe.of(effects.SaveAddress, probe.everything) == []
    assert [each.source for each in probe.node.snapshot().addresses] == ["lan"]


def test_whom_others_follow_is_a_stranger(make_probe: Any) -> None:
    ids = make_probe().ids
    probe = make_probe(hops_max=3, contacts=(Contact(ids[1], ids[STRANGER], 1, 1),))
    assert ids[STRANGER] in probe.node.hops()
    probe.tell(seen(STRANGER))
    assert probe.of(effects.Dial) == []


def test_a_follow_counts_from_the_next_announcement(make_probe: Any) -> None:
    probe = make_probe()
    probe.tell(seen(STRANGER))
    follow = Contact(probe.own, probe.ids[STRANGER], 1, 90)
    probe.tell(events.Ingested(None, 1, (), contacts=(follow,)))
    probe.tell(seen(STRANGER), after_s=1.0)
    assert len(probe.of(effects.Dial)) == 1
    unfollow = Contact(probe.own, probe.ids[STRANGER], -2, 91)
    probe.tell(events.DialFailed(address(STRANGER), "no"))
    probe.tell(events.Ingested(None, 1, (), contacts=(unfollow,)))
    probe.tell(seen(STRANGER), after_s=0.1)
    assert probe.of(effects.Dial, probe.wait(9.0)) == []
    assert probe.node.snapshot().addresses == ()


def test_announcements_do_not_cut_the_back_off_short(make_probe: Any) -> None:
    probe = make_probe()
    dials = []
    for _ in range(60):
        probe.tell(seen(FRIEND), after_s=2.0)
        for dial in probe.of(effects.Dial):
            dials.append(probe.now)
            probe.tell(events.DialFailed(dial.address, "connection-refused"))
    assert 4 <= len(dials) <= 9
    (status,) = probe.node.snapshot().addresses
    assert status.failures == len(dials)
    assert status.last_error == "connection-refused"
    assert status.next_at is not None
    assert status.next_at > probe.now
    probe.wait(STAGED_S_MAX, step_s=0.5)
    assert probe.node.snapshot().addresses == (), "who has left is not dialled any more"


def test_who_is_connected_is_not_shown_and_is_shown_afterwards(make_probe: Any) -> None:
    probe = make_probe()
    connection = probe.connect(STRANGER, is_client=False)
    probe.tell(seen(STRANGER))
    assert topics(probe) == []
    assert staged(probe) == []
    assert [each.source for each in probe.node.snapshot().peers] == ["called-us"]
    probe.tell(events.Disconnected(connection, "closed-by-peer"))
    assert staged(probe) == [probe.ids[STRANGER]]


def test_consent_is_a_persons_word(make_probe: Any) -> None:
    probe = make_probe()
    probe.tell(seen(STRANGER))
    asked = events.Address(address(STRANGER), probe.ids[STRANGER])
    probe.tell(events.AddressAdded(asked))
    assert len(probe.of(effects.Dial)) == 1
    assert [each.source for each in probe.of(effects.SaveAddress)] == ["lan"]
    connected = events.Connected(1, probe.ids[STRANGER], True, address(STRANGER), {})
    probe.tell(connected)
    assert [each.source for each in probe.node.snapshot().peers] == ["lan"]


def test_own_blocked_and_early_announcements_are_nothing(make_probe: Any) -> None:
    ids = make_probe().ids
    probe = make_probe(contacts=(Contact(ids[0], ids[STRANGER], -1, 90),))
    probe.tell(seen(0))
    probe.tell(seen(STRANGER))
    assert staged(probe) == []
    from lichen.gossip.node import Node  # noqa: PLC0415

    early = Node(
        probe.own, probe.log, probe.node._lifecycle._schedule._rng, probe.node._parts.parse
    )
    assert early.handle(seen(STRANGER), 1.0) == []


def test_a_block_takes_a_peer_away(make_probe: Any) -> None:
    probe = make_probe()
    probe.tell(seen(STRANGER))
    block = Contact(probe.own, probe.ids[STRANGER], -1, 90)
    probe.tell(events.Ingested(None, 1, (), contacts=(block,)))
    assert topics(probe, probe.wait(1.0, step_s=0.2)) == [("nearby-gone", probe.ids[STRANGER])]
    assert staged(probe) == []


def test_who_is_dismissed_stays_away_until_asked_for(make_probe: Any) -> None:
    probe = make_probe()
    probe.tell(seen(FRIEND))
    probe.tell(events.Connected(1, probe.ids[FRIEND], True, address(FRIEND), {}))
    probe.tell(events.PeerDismissed(probe.ids[FRIEND]))
    assert probe.closed() == ["dismissed"]
    found = []
    for _ in range(50):
        found += probe.tell(seen(FRIEND), after_s=2.0)
    assert probe.of(effects.Dial, found) == []
    assert [each.next_at for each in probe.node.snapshot().addresses] == [None]
    probe.tell(events.AddressAdded(events.Address(address(FRIEND), probe.ids[FRIEND])))
    assert len(probe.of(effects.Dial)) == 1


def test_a_dial_that_reaches_a_dismissed_peer_is_closed(make_probe: Any) -> None:
    probe = make_probe()
    probe.tell(seen(FRIEND))
    probe.tell(events.PeerDismissed(probe.ids[FRIEND]))
    probe.tell(events.Connected(1, probe.ids[FRIEND], True, address(FRIEND), {}))
    assert probe.closed() == ["dismissed"]


def test_a_forgotten_address_is_neither_kept_nor_dialled(make_probe: Any) -> None:
    probe = make_probe()
    probe.tell(events.AddressAdded(events.Address(address(STRANGER), probe.ids[STRANGER])))
    probe.tell(events.DialFailed(address(STRANGER), "no-answer"))
    probe.tell(events.AddressForgotten(address(STRANGER)))
    assert probe.of(effects.ForgetAddress) == [effects.ForgetAddress(address(STRANGER))]
    assert probe.node.snapshot().addresses == ()
    assert probe.of(effects.Dial, probe.wait(100.0)) == []


def test_a_saved_address_is_tried_at_once_when_its_peer_comes_near(make_probe: Any) -> None:
    probe = make_probe()
    probe.tell(events.AddressAdded(events.Address(address(STRANGER), probe.ids[STRANGER])))
    for _ in range(8):
        while not probe.of(effects.Dial):
            probe.tell(events.Woke(), after_s=1.0)
        probe.tell(events.DialFailed(address(STRANGER), "no-answer"))
    assert probe.of(effects.Dial, probe.wait(20.0)) == []
    probe.tell(seen(STRANGER))
    assert len(probe.of(effects.Dial)) == 1
    probe.tell(events.DialFailed(address(STRANGER), "no-answer"))
    probe.wait(STAGED_S_MAX + 1)
    assert len(probe.node.snapshot().addresses) == 1, "it is still in the book"


def test_what_the_peer_signed_comes_before_what_others_say(make_probe: Any) -> None:
    probe = make_probe()
    probe.tell(seen(STRANGER, host="10.0.0.1"))
    for last in range(2, 60):
        probe.tell(seen(STRANGER, host=f"10.0.0.{last}", verified=False), after_s=0.1)
    (shown,) = probe.node.snapshot().staged
    assert (shown.address, shown.is_verified) == (address(STRANGER, host="10.0.0.1"), True)
    staging = probe.node._lifecycle._staging
    hosts = [each.split(":")[1] for each in staging._peers[probe.ids[STRANGER]]]
    assert hosts == [f"10.0.0.{last}" for last in range(1, STAGED_ADDRESSES_MAX + 1)]
    for last in range(60, 64):
        probe.tell(seen(STRANGER, host=f"10.0.0.{last}"), after_s=0.1)
    hosts = [each.split(":")[1] for each in staging._peers[probe.ids[STRANGER]]]
    assert hosts == [f"10.0.0.{last}" for last in range(60, 64)]


def test_a_flood_of_strangers_leaves_room_for_friends(make_probe: Any) -> None:
    probe = make_probe()
    for number in range(100, 100 + STAGED_PEERS_MAX + 50):
        probe.tell(seen(number))
    assert len(staged(probe)) == STAGED_PEERS_MAX
    probe.tell(seen(FRIEND))
    assert len(probe.of(effects.Dial)) == 1
    assert len(staged(probe)) == STAGED_PEERS_MAX
    assert probe.ids[FRIEND] in staged(probe)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "8.8.8.8", "0.0.0.0", "224.0.0.1", "255.255.255.255", "a.example", "localhost",
     "::1", "::", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "fe80::1%eth0", "2001:4860::1"],
)  # fmt: skip
def test_only_addresses_of_a_local_network_count(make_probe: Any, host: str) -> None:
    assert local_address(address(STRANGER, host=host), lab_feed_id(STRANGER)) is None
    probe = make_probe()
    probe.tell(seen(STRANGER, host=host))
    assert staged(probe) == []


@pytest.mark.parametrize(
    "host", ["10.1.2.3", "172.16.0.1", "192.168.0.9", "169.254.3.4", "fd00::7"]
)
def test_private_addresses_are_told_in_one_spelling(host: str) -> None:
    peer = lab_feed_id(STRANGER)
    assert local_address(address(STRANGER, host=host), peer) == address(STRANGER, host=host)
    assert local_address(f"{host}:8008:{peer}", peer) == address(STRANGER, host=host)
    assert local_address(address(STRANGER, host=host), lab_feed_id(1)) is None
    assert local_address(address(STRANGER, host=host, port=0), peer) is None


def test_last_error_is_told_and_cleared(make_probe: Any) -> None:
    probe = make_probe()
    probe.tell(events.AddressAdded(events.Address("lab:5", probe.ids[5])))

    def status() -> Any:
        (only,) = probe.node.snapshot().addresses
        return only

    assert status().is_dialling
    probe.tell(events.DialFailed("lab:5", "connection-refused"))
    assert (status().last_error, status().failures) == ("connection-refused", 1)
    connection = probe.connect(5)
    assert status().last_error is None
    assert status().next_at is None
    probe.tell(events.Disconnected(connection, "connection-reset"))
    assert status().last_error == "connection-reset"
    assert status().source == "address"
    probe.wait(5.0)
    assert status().is_dialling
    probe.wait(31.0)
    assert status().last_error == "no-answer"


def test_messages_behind_counts_what_peers_claim_and_we_lack(make_probe: Any) -> None:
    probe = make_probe()
    probe.hold(1, 3)
    probe.connect_ebt(5, {1: 2 * 10, 2: 2 * 4})
    snapshot = probe.node.snapshot()
    assert (snapshot.feeds_behind, snapshot.messages_behind) == (2, 7 + 4)
    probe.connect_ebt(6)
    probe.say(events.ConnectionId(2), {probe.ids[1]: 2 * 12, probe.ids[STRANGER]: 2 * 50})
    assert probe.node.snapshot().messages_behind == 9 + 4
    probe.tell(events.Disconnected(events.ConnectionId(1), "gone"))
    assert probe.node.snapshot().messages_behind == 9
