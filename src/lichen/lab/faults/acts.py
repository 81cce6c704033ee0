"""What can happen in a life: each kind of fault is a method that takes the fault."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lichen.gossip import events
from lichen.lab.faults.crooks import TwoFaced
from lichen.lab.world.chance import Chance

if TYPE_CHECKING:
    from lichen.feed.message import BlobId
    from lichen.lab.checkers.ledger import Ledger
    from lichen.lab.faults.plan import Fault
    from lichen.lab.world.links import End
    from lichen.lab.world.peers import LabPeer
    from lichen.lab.world.world import World

SLOW_BYTES_PER_S = 1_000.0


class Acts:
    """Does to a world what a plan says."""

    def __init__(self, world: World, ledger: Ledger) -> None:
        self._world = world
        self._ledger = ledger
        self._chance = Chance(world.seed, "acts")
        self.restored: dict[int, None] = {}
        """Peers that came back from a backup: what they had written since, only others have."""
        self.blobs: list[BlobId] = []
        self.wanted: dict[tuple[int, BlobId], int] = {}
        """(peer, blob) that a person wanted, to the run in which they did."""

    def perform(self, fault: Fault) -> None:
        """Do one thing."""
        getattr(self, fault.kind)(fault)

    def _pair(self, fault: Fault) -> tuple[LabPeer, LabPeer]:
        return self._world.peers[fault.first], self._world.peers[fault.second]

    def _links(self, fault: Fault) -> list[End]:
        first, second = self._pair(fault)
        return [end for end in first.ends.values() if end.other.owner is second]

    # Writing

    def _may_write(self, peer: LabPeer) -> bool:
        """Tell whether a store would let this peer write.

        What no other peer holds is lost with a restore, and no guard can know of it: such a peer
        writes no more, for it would write twice in one place.
        """
        if peer.is_guarded or (peer.is_up and peer.node.is_guarded) or peer.disk.is_full:
            return False
        is_restored = peer.number in self.restored
        return not is_restored or peer.log.received(peer.id) >= self._ledger.length(peer.id)

    def _write(self, peer: LabPeer, content: dict[str, object] | None = None) -> None:
        if self._may_write(peer):
            peer.publish(content or next_post(peer))

    def publish(self, fault: Fault) -> None:
        """Write a message."""
        self._write(self._world.peers[fault.first])

    def burst(self, fault: Fault) -> None:
        """Write many messages at once."""
        for _ in range(fault.count):
            self._write(self._world.peers[fault.first])

    def _contact(self, fault: Fault, **words: bool) -> None:
        first, second = self._pair(fault)
        self._write(first, {"type": "contact", "contact": second.id, **words})

    def follow(self, fault: Fault) -> None:
        """Follow somebody."""
        self._contact(fault, following=True)

    def unfollow(self, fault: Fault) -> None:
        """Follow somebody no longer."""
        self._contact(fault, following=False)

    def block(self, fault: Fault) -> None:
        """Block somebody."""
        self._contact(fault, blocking=True)

    def unblock(self, fault: Fault) -> None:
        """Block somebody no longer, and follow again."""
        self._contact(fault, blocking=False, following=True)

    # Runs

    def start(self, fault: Fault) -> None:
        """Start a peer that is down, the given one if it is, else the next."""
        peers = self._world.peers
        for step in range(len(peers)):
            peer = peers[(fault.first + step) % len(peers)]
            if not peer.is_up:
                peer.start()
                return

    def stop(self, fault: Fault) -> None:
        """End a run in good order."""
        peer = self._world.peers[fault.first]
        if peer.is_up:
            peer.stop()

    def crash(self, fault: Fault) -> None:
        """Kill a peer; what was not flushed is lost."""
        self._world.is_torn = False
        self._crash(self._world.peers[fault.first])

    def tear(self, fault: Fault) -> None:
        """Cut the power: what was not flushed survives up to anywhere."""
        self._world.is_torn = True
        self._crash(self._world.peers[fault.first])

    def _crash(self, peer: LabPeer) -> None:
        if peer.is_up:
            peer.crash()

    def relapse(self, fault: Fault) -> None:
        """Break a link, let it come again, and lose what came over it then in a crash."""
        first, second = self._pair(fault)
        self._world.break_between(first, second, "reset")
        self._world.after(3.0, self._write, second)
        self._world.after(3.6, self._crash, first)

    def restore(self, fault: Fault) -> None:
        """Put an old backup back."""
        peer = self._world.peers[fault.first]
        if isinstance(peer, TwoFaced):
            return  # its versions would get mixed up
        self.restored[peer.number] = None
        peer.restore((fault.count, 4))
        peer.start()

    def detour(self, fault: Fault) -> None:
        """Give a peer by another way what its neighbour cannot write, and let it lose that again.

        Then the neighbour has heard of more than is there, and is the only one to bring it back.
        """
        near, far = self._pair(fault)
        others = [end.other.owner for end in near.ends.values() if end.other.owner is not far]
        if not others or isinstance(far, TwoFaced):
            return
        author = self._chance.pick(others)
        near.disk.is_full = True
        for _ in range(fault.count):
            self._write(author)
        self._world.see(far, author)
        self._world.after(6.0, self._end_detour, near, far, author)

    def _end_detour(self, near: LabPeer, far: LabPeer, author: LabPeer) -> None:
        self._world.break_between(far, author, "reset")
        self.restored[far.number] = None
        far.restore((1, 2))
        far.start()
        near.disk.is_full = False

    # Links

    def connect(self, fault: Fault) -> None:
        """Have a peer dial another one."""
        self._world.connect(*self._pair(fault))

    def cut(self, fault: Fault) -> None:
        """Part two peers."""
        self._world.cut(*self._pair(fault))

    def sever(self, fault: Fault) -> None:
        """Break a link; what is on its way is lost, and dialling works."""
        self._world.break_between(*self._pair(fault), "reset")

    def cut_one_way(self, fault: Fault) -> None:
        """Let nothing get from one peer to another."""
        self._world.cut_one_way(*self._pair(fault))

    def heal(self, fault: Fault) -> None:
        """Let everybody reach everybody."""
        self._world.heal()

    def freeze(self, fault: Fault) -> None:
        """Let nothing through a link any more, and tell nobody."""
        for end in self._links(fault):
            end.pipe.is_stuck = end.other.pipe.is_stuck = True

    def clog(self, fault: Fault) -> None:
        """Hold everything in one direction of a link for a while."""
        for end in self._links(fault):
            end.pipe.clogged_until = self._world.now + fault.count

    def swizzle(self, fault: Fault) -> None:
        """Clog links one after the other, and let them go in another order."""
        ends = [end for peer in self._world.peers for end in peer.ends.values()]
        for end in ends:
            if self._chance.happens(0.5):
                until = self._world.now + self._chance.within(0.5, 2.0 * fault.count)
                self._world.after(self._chance.within(0.0, 0.5), _clog, end, until)

    def slow(self, fault: Fault) -> None:
        """Make a link as slow as a bad telephone line."""
        for end in self._links(fault):
            end.pipe.bytes_per_s = SLOW_BYTES_PER_S * fault.count

    def slow_peer(self, fault: Fault) -> None:
        """Give a peer a slow disk and a slow uplink."""
        peer = self._world.peers[fault.first]
        peer.uplink_bytes_per_s = SLOW_BYTES_PER_S * fault.count
        peer.disk.write_s = (0.1, 1.0)

    # Disks

    def fill(self, fault: Fault) -> None:
        """Fill up a disk."""
        self._world.peers[fault.first].disk.is_full = True

    def empty(self, fault: Fault) -> None:
        """Make room on all disks."""
        for peer in self._world.peers:
            peer.disk.is_full = False

    def spoil(self, fault: Fault) -> None:
        """Let the next writes of a disk fail."""
        self._world.peers[fault.first].disk.faults_left = fault.count

    # What people do

    def change_hops(self, fault: Fault) -> None:
        """Change how far to replicate."""
        peer = self._world.peers[fault.first]
        peer.hops_max = fault.count
        self._world.tell(peer, events.HopsChanged(fault.count))

    def see(self, fault: Fault) -> None:
        """Let one peer hear another announce itself nearby, for some seconds."""
        first, second = self._pair(fault)
        for step in range(3):
            self._world.after(2.0 * step, self._world.see, first, second)

    def dismiss(self, fault: Fault) -> None:
        """Want no connection with a peer."""
        first, second = self._pair(fault)
        self._world.tell(first, events.PeerDismissed(second.id))

    def forget_address(self, fault: Fault) -> None:
        """Take an address out of the address book."""
        first, second = self._pair(fault)
        self._world.tell(first, events.AddressForgotten(second.address))

    def push_blob(self, fault: Fault) -> None:
        """Add a blob that others are to have."""
        peer = self._world.peers[fault.first]
        if peer.is_up:
            self.blobs.append(peer.add_blob(self._chance.octets(8) * (fault.count // 8 + 1)))

    def keep_blob(self, fault: Fault) -> None:
        """Have two peers hold the same blob, which nobody pushes."""
        data = self._chance.octets(8) * (fault.count // 8 + 1)
        for peer in self._pair(fault):
            if peer.is_up:
                blob = peer.blobs.add(data)
                self._world.tell(peer, events.BlobStored(blob, len(data)))
                self.blobs.append(blob)

    def want_blob(self, fault: Fault) -> None:
        """Want one of the newest blobs."""
        peer = self._world.peers[fault.first]
        if self.blobs and peer.is_up:
            blob = self.blobs[-1 - fault.count % min(3, len(self.blobs))]
            self.wanted[peer.number, blob] = peer.run_count
            self._world.tell(peer, events.BlobWanted(blob))

    def remove_blob(self, fault: Fault) -> None:
        """Throw a blob away."""
        peer = self._world.peers[fault.first]
        if self.blobs and peer.is_up:
            blob = self.blobs[fault.count % len(self.blobs)]
            if peer.blobs.held.pop(blob, None) is not None:
                self.wanted.pop((peer.number, blob), None)
                self._world.tell(peer, events.BlobRemoved(blob))


def next_post(peer: LabPeer) -> dict[str, object]:
    """Return a post to be written: every third has a letter that an id does not bind."""
    first = "Ł" if peer.log.received(peer.id) % 3 == 2 else "x"
    return {"type": "post", "text": first + "x" * 39}


def _clog(end: End, until: float) -> None:
    if end.is_alive:
        end.pipe.clogged_until = until
