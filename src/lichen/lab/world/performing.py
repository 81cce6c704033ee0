"""Doing what a brain wants done, in virtual time: the part that sockets and files have in life."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from lichen.gossip import effects, events
from lichen.gossip.events import Address
from lichen.gossip.exchange.blob_requests import split_blob
from lichen.wire.events import BodyType, Command, SendItems

if TYPE_CHECKING:
    from lichen.lab.world.links import End
    from lichen.lab.world.peers import LabPeer
    from lichen.lab.world.world import World


class Performer:
    """Performs effects of brains: each comes back as the event that ``gossip.effects`` names."""

    __slots__ = ("_world", "handlers")

    def __init__(self, world: World) -> None:
        self._world = world
        self.handlers: dict[type, Callable[..., None]] = {
            effects.Send: self._send,
            effects.SendMessages: self._send_messages,
            effects.ReadBlob: self._send_blob,
            effects.AwaitRoom: self._await_room,
            effects.Close: self._close,
            effects.PauseReading: self._pause,
            effects.ResumeReading: self._resume,
            effects.Ingest: self._ingest,
            effects.Dial: lambda peer, effect: world.dial(peer, effect.address),
            effects.WakeAt: self._wake_at,
            effects.SaveClock: self._save_clock,
            effects.SaveGuard: self._save_guard,
            effects.SaveAddress: self._save_address,
            effects.ForgetAddress: lambda peer, effect: peer.addresses.pop(effect.address, None),
            effects.Notify: lambda peer, effect: peer.notices.append(effect),
            effects.WriteBlob: lambda peer, effect: peer.blobs.write(effect),
            effects.FinishBlob: self._finish_blob,
            effects.DropBlob: lambda peer, effect: peer.blobs.drop(effect.connection, effect.call),
            effects.SavePush: lambda peer, effect: peer.save_push(effect),
        }
        """What to call with a peer and an effect, for each kind of effect. Nothing is done on a
        link that is gone."""

    # Links

    def _send(self, peer: LabPeer, effect: effects.Send) -> None:
        end = peer.ends.get(effect.connection)
        if end is not None and end.is_open:
            self._put(peer, end, effect.command)

    def _put(self, peer: LabPeer, end: End, command: Command) -> None:
        if end.calls.perform(command):
            if peer.crook is not None:
                said = peer.crook.say(end, command)
                if said is None:
                    return
                command = said
            end.pipe.put(command)

    def _await_room(self, peer: LabPeer, effect: effects.AwaitRoom) -> None:
        end = peer.open_end(effect.connection)
        if end is not None:
            end.pipe.await_room()

    def _close(self, peer: LabPeer, effect: effects.Close) -> None:
        end = peer.open_end(effect.connection)
        if end is not None:
            self._world.close(end)

    def _pause(self, peer: LabPeer, effect: effects.PauseReading) -> None:
        end = peer.open_end(effect.connection)
        if end is not None:
            end.other.pipe.set_read(is_read=False)

    def _resume(self, peer: LabPeer, effect: effects.ResumeReading) -> None:
        end = peer.open_end(effect.connection)
        if end is not None:
            end.other.pipe.set_read(is_read=True)

    def _send_messages(self, peer: LabPeer, run: effects.SendMessages) -> None:
        end = peer.open_end(run.connection)
        if end is None:
            return
        items = peer.read(run.feed, run.first, run.last, end)
        if items:
            self._put(peer, end, SendItems(run.call, BodyType.JSON, items))
        last = run.first - 1 + len(items)
        self._world.after(0.0, self._report_sent, end, run, last)

    def _report_sent(self, end: End, run: effects.SendMessages, last: int) -> None:
        if end.is_alive:
            queued = end.pipe.queued_bytes
            sent = events.MessagesSent(end.connection, run.call, run.feed, run.first, last, queued)
            self._world.tell(end.owner, sent)

    def _send_blob(self, peer: LabPeer, run: effects.ReadBlob) -> None:
        end = peer.open_end(run.connection)
        if end is None:
            return
        data = peer.blobs.held.get(run.blob, b"")[run.start : run.end]
        if data:
            self._put(peer, end, SendItems(run.call, BodyType.BINARY, split_blob(data)))
        self._world.after(0.0, self._report_read, end, run, run.start + len(data))

    def _report_read(self, end: End, run: effects.ReadBlob, reached: int) -> None:
        if end.is_alive:
            queued = end.pipe.queued_bytes
            read = events.BlobRead(end.connection, run.call, run.blob, reached, queued)
            self._world.tell(end.owner, read)

    # Disk and clock

    def _ingest(self, peer: LabPeer, effect: effects.Ingest) -> None:
        """Have messages written with the next transaction, together with what else waits."""
        peer.waiting.append(effect)
        if len(peer.waiting) == 1:
            delay_s = peer.chance.within(*peer.disk.write_s)
            self._world.after(delay_s, self._world.write, peer, peer.run_count)

    def _finish_blob(self, peer: LabPeer, effect: effects.FinishBlob) -> None:
        delay_s = peer.chance.within(*peer.disk.write_s)
        self._world.after(delay_s, self._blob_finished, peer, peer.run_count, effect)

    def _blob_finished(self, peer: LabPeer, run: int, effect: effects.FinishBlob) -> None:
        if peer.run_count == run and peer.is_up:
            is_disk_full = peer.disk.fault() is not None
            self._world.tell(peer, peer.blobs.finish(effect, is_disk_full=is_disk_full))

    def _wake_at(self, peer: LabPeer, effect: effects.WakeAt) -> None:
        """Arm the alarm; only an earlier one than all that are set costs a step of the world."""
        at = peer.wake_at = max(effect.at + peer.clock_offset_s, self._world.now)
        if peer.woken_at is None or at < peer.woken_at:
            peer.woken_at = at
            self._world.at(at, self._wake, peer, peer.run_count, at)

    def _wake(self, peer: LabPeer, run: int, at: float) -> None:
        if peer.run_count != run or peer.woken_at != at:
            return
        peer.woken_at = None
        if peer.wake_at <= self._world.now:
            self._world.tell(peer, events.Woke())
        else:
            peer.woken_at = peer.wake_at
            self._world.at(peer.wake_at, self._wake, peer, run, peer.wake_at)

    # What is remembered

    def _save_clock(self, peer: LabPeer, effect: effects.SaveClock) -> None:
        peer.saved_clocks[effect.peer] = effect.clock

    def _save_guard(self, peer: LabPeer, effect: effects.SaveGuard) -> None:
        peer.is_guarded = effect.is_guarded
        peer.asked_peers = effect.asked_peers

    def _save_address(self, peer: LabPeer, effect: effects.SaveAddress) -> None:
        peer.addresses[effect.address] = Address(effect.address, effect.peer, source=effect.source)
