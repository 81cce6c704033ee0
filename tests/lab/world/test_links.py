"""Pipes: exact sizes, order, bandwidth, the shared uplink, clogs, and calls on top."""

from collections.abc import Iterator

import pytest

from lichen.feed.identity import generate_identity
from lichen.lab.world.chance import Chance
from lichen.lab.world.links import ROOM_BYTES, End, frame_bytes
from lichen.lab.world.network import Lognormal, Square, Steady
from lichen.lab.world.peers import LabPeer
from lichen.lab.world.world import World
from lichen.wire.connection import Connection
from lichen.wire.events import Answer, BodyType, CallKind, Command, EndCall, OpenCall, SendItems


def linked(**options: float) -> tuple[World, End]:
    """A world of two peers with a link, and the dialler's end of it."""
    world = World(1, latency=Steady(0.1))
    world.jitter = 0.0
    for name, value in options.items():
        setattr(world, name, value)
    first, second = world.add_peer(), world.add_peer()
    world.connect(first, second)
    world.run(10.0)
    (end,) = first.ends.values()
    return world, end


def real_pair() -> tuple[Connection, Connection]:
    client, server = (generate_identity(bytes([number]) * 32) for number in (1, 2))
    near = Connection(
        identity=client, network_key=bytes(32), ephemeral_seed=bytes(32), remote=server.id
    )
    far = Connection(identity=server, network_key=bytes(32), ephemeral_seed=b"1" * 32, remote=None)
    while not (near.is_ready and far.is_ready):
        for event in far.receive_data(near.data_to_send()):
            if type(event).__name__ == "Identified":
                far.accept()
        near.receive_data(far.data_to_send())
    return near, far


def commands() -> Iterator[Command]:
    yield OpenCall(1, ("ebt", "replicate"), b'[{"version":3}]', CallKind.DUPLEX)
    yield OpenCall(2, ("blobs", "has"), b'["&x"]', CallKind.ASYNC)
    yield SendItems(1, BodyType.JSON, (b"{}",))
    yield SendItems(1, BodyType.JSON, tuple(b"x" * size for size in (1, 5_000, 8_192, 33)))
    yield SendItems(1, BodyType.JSON, (b"y" * (4096 - 9),))
    yield SendItems(1, BodyType.JSON, (b"y" * (4096 - 8),))
    yield EndCall(1, "not today, ü")


def test_commands_have_the_size_of_real_boxes() -> None:
    near, _ = real_pair()
    for command in commands():
        near.perform(command)
        assert len(near.data_to_send()) == frame_bytes(command), command
    _, far = real_pair()
    near, far = real_pair()
    near.perform(OpenCall(1, ("x",), b"[]", CallKind.ASYNC))
    far.receive_data(near.data_to_send())
    answer = Answer(-1, BodyType.JSON, b'"yes"')
    far.perform(answer)
    assert len(far.data_to_send()) == frame_bytes(answer)


def test_commands_arrive_in_order_after_delay_and_size() -> None:
    world, end = linked(bytes_per_s=1_000.0)
    came: list[tuple[float, int]] = []
    end.pipe._deliver = lambda _end, command, _size: came.append((world.now, command.call))
    for call in (1, 2):
        end.pipe.put(SendItems(call, BodyType.JSON, (b"x" * 957,)))  # 1,000 bytes in a box
    assert end.pipe.queued_bytes == 2_000
    world.run(11.05)
    assert end.pipe.queued_bytes == 1_000
    world.run(20.0)
    assert came == [(pytest.approx(11.1), 1), (pytest.approx(12.1), 2)]


def test_an_uplink_is_shared_by_all_links_of_a_peer() -> None:
    world = World(1, latency=Steady(0.0))
    world.jitter = 0.0
    hub, *others = (world.add_peer() for _ in range(4))
    for other in others:
        world.connect(hub, other)
    world.run(10.0)
    hub.uplink_bytes_per_s = 1_000.0
    came: list[float] = []
    for end in hub.ends.values():
        end.pipe._deliver = lambda _end, _command, _size: came.append(world.now)
        end.pipe.put(SendItems(1, BodyType.JSON, (b"x" * 957,)))
    world.run(20.0)
    assert came == [pytest.approx(11.0), pytest.approx(12.0), pytest.approx(13.0)]


def test_a_clogged_pipe_gives_everything_at_once_in_order() -> None:
    world, end = linked()
    came: list[tuple[float, int]] = []
    end.pipe._deliver = lambda _end, command, _size: came.append((world.now, command.call))
    end.pipe.clogged_until = 15.0
    for call in (1, 2, 3):
        end.pipe.put(SendItems(call, BodyType.JSON, (b"x",)))
    world.run(20.0)
    assert came == [(15.0, 1), (15.0, 2), (15.0, 3)]


def test_what_is_not_read_waits_and_room_is_told_afterwards() -> None:
    world, end = linked()
    came: list[int] = []
    rooms: list[float] = []
    end.pipe._deliver = lambda _end, command, _size: came.append(command.call)
    world.report_room = lambda _end: rooms.append(world.now)  # type: ignore[method-assign]
    end.pipe.set_read(is_read=False)
    for call in range(1, 6):
        end.pipe.put(SendItems(call, BodyType.BINARY, (b"x" * 50_000,)))
    world.run(12.0)
    assert came == []
    assert end.pipe.queued_bytes > 4 * 50_000 > ROOM_BYTES
    end.pipe.set_read(is_read=True)
    world.run(13.0)
    assert came == [1, 2, 3, 4, 5]
    assert len(rooms) == 1
    assert end.pipe.queued_bytes == 0


def test_a_stuck_pipe_loses_everything_and_its_queue_stays() -> None:
    world, end = linked()
    came: list[int] = []
    end.pipe._deliver = lambda _end, command, _size: came.append(command.call)
    end.pipe.is_stuck = True
    end.pipe.put(SendItems(1, BodyType.BINARY, (b"x" * 200_000,)))
    world.run(30.0)
    assert came == []
    assert end.pipe.queued_bytes > ROOM_BYTES


def test_one_way_cuts_stop_one_direction_and_every_dial() -> None:
    world = World(1)
    first, second = world.add_peer(), world.add_peer()
    first.follow(second)
    second.follow(first)
    world.connect(first, second)
    world.run(5.0)
    world.cut_one_way(first, second)
    first.publish()
    second.publish()
    world.run(8.0)
    assert second.has(first) == 1
    assert first.has(second) == 2
    world.break_between(first, second, "reset")
    world.run(40.0)
    assert not first.ends
    world.heal()
    world.connect(first, second)
    world.run(60.0)
    assert second.has(first) == 2


def test_latency_models_keep_their_shape() -> None:
    chance = Chance(1, "latency")
    square = Square(1)
    there, back = square.draw_s(chance, 1, 2), square.draw_s(chance, 2, 1)
    assert there == back
    assert 0.005 <= there <= 0.005 + 0.1 * 2**0.5
    (x, y), (u, v) = square.place(1), square.place(2)
    assert there == pytest.approx(0.005 + 0.1 * ((x - u) ** 2 + (y - v) ** 2) ** 0.5, abs=1e-12)
    assert square.draw_s(chance, 3, 3) == 0.005
    drawn = sorted(Lognormal(0.08).draw_s(chance, 1, 2) for _ in range(5_000))
    assert drawn[2_500] == pytest.approx(0.08, rel=0.05)
    assert drawn[-1] < 0.4


def test_a_peer_is_found_under_both_addresses() -> None:
    world = World(1)
    peer = world.add_peer()
    assert isinstance(peer, LabPeer)
    assert world.by_address[peer.address] is world.by_address[peer.lan_address] is peer
