"""Random lives of calls over two joined connections, against a model of what both must see."""

from collections import defaultdict

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    rule,
)

from lichen.wire.connection import Connection
from lichen.wire.events import (
    Answer,
    AnswerReceived,
    BodyType,
    CallEnded,
    CallKind,
    CallReceived,
    EndCall,
    ItemsReceived,
    OpenCall,
    SendItems,
    WireEvent,
)

LEFT, RIGHT = 0, 1
CallName = tuple[int, int]
"""Which side opened a call, and its number."""


class CallLives(RuleBasedStateMachine):
    """Bytes travel when a rule says so, in pieces; each side acts on what it has seen so far."""

    calls = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.sides = (Connection.plain(), Connection.plain())
        self.pipes = (bytearray(), bytearray())
        self.last_call = [0, 0]
        self.kinds: dict[CallName, CallKind] = {}
        self.known: set[CallName] = set()
        self.sent: dict[tuple[int, CallName], list[bytes]] = defaultdict(list)
        self.received: dict[tuple[int, CallName], list[bytes]] = defaultdict(list)
        self.ends_made: dict[tuple[int, CallName], str | None] = {}
        self.ends_seen: dict[tuple[int, CallName], str | None] = {}
        self.answers_made: dict[CallName, bytes] = {}
        self.answers_seen: dict[CallName, bytes] = {}
        self.item_count = 0

    @initialize()
    def start(self) -> None:
        for side in self.sides:
            side.receive_data(b"")

    def may_act(self, side: int, name: CallName) -> bool:
        """The side knows of the call and, so far, has no reason to believe it over."""
        knows = name[0] == side or name in self.known
        return knows and (side, name) not in self.ends_seen and (side, name) not in self.ends_made

    @staticmethod
    def number_of(side: int, name: CallName) -> int:
        return name[1] if name[0] == side else -name[1]

    @rule(target=calls, side=st.sampled_from((LEFT, RIGHT)), kind=st.sampled_from(CallKind))
    def open_call(self, side: int, kind: CallKind) -> CallName:
        self.last_call[side] += 1
        name = (side, self.last_call[side])
        self.kinds[name] = kind
        self.sides[side].perform(OpenCall(name[1], ("a", kind.value), b"[1]", kind))
        return name

    @rule(name=calls, side=st.sampled_from((LEFT, RIGHT)), count=st.integers(1, 3))
    def send_items(self, name: CallName, side: int, count: int) -> None:
        kind = self.kinds[name]
        is_sender = kind is CallKind.DUPLEX or (kind is CallKind.SINK) == (name[0] == side)
        if kind is CallKind.ASYNC or not is_sender or not self.may_act(side, name):
            return
        items = [b"%d" % (self.item_count + n) for n in range(count)]
        self.item_count += count
        self.sides[side].perform(SendItems(self.number_of(side, name), BodyType.JSON, items))
        self.sent[side, name] += items

    @rule(name=calls, side=st.sampled_from((LEFT, RIGHT)), error=st.none() | st.just("no"))
    def end_stream(self, name: CallName, side: int, error: str | None) -> None:
        if self.kinds[name] is not CallKind.ASYNC and self.may_act(side, name):
            self.sides[side].perform(EndCall(self.number_of(side, name), error))
            self.ends_made[side, name] = error

    @rule(target=calls, name=consumes(calls), is_good=st.booleans())
    def answer(self, name: CallName, is_good: bool) -> object:
        side = 1 - name[0]
        is_open = self.kinds[name] is CallKind.ASYNC and name in self.known
        if not is_open or name in self.answers_made:
            return name
        if is_good:
            self.sides[side].perform(Answer(-name[1], BodyType.JSON, b"42"))
            self.answers_made[name] = b"42"
        else:
            self.sides[side].perform(EndCall(-name[1], "no"))
            self.answers_made[name] = b"no"
        return multiple()

    @rule(side=st.sampled_from((LEFT, RIGHT)), size=st.integers(1, 200))
    def travel(self, side: int, size: int) -> None:
        pipe = self.pipes[side]
        pipe += self.sides[side].data_to_send()
        for event in self.sides[1 - side].receive_data(bytes(pipe[:size])):
            self.see(1 - side, event)
        del pipe[:size]

    def see(self, side: int, event: WireEvent) -> None:
        if isinstance(event, CallReceived):
            name = (1 - side, -event.call)
            assert name not in self.known
            assert event.name == ("a", event.kind.value)
            assert event.kind is self.kinds[name]
            self.known.add(name)
            return
        assert isinstance(event, ItemsReceived | CallEnded | AnswerReceived)
        name = (side, event.call) if event.call > 0 else (1 - side, -event.call)
        if isinstance(event, ItemsReceived):
            assert (side, name) not in self.ends_seen
            assert (side, name) not in self.ends_made
            self.received[side, name] += event.items
        elif isinstance(event, AnswerReceived):
            assert name not in self.answers_seen
            self.answers_seen[name] = event.body
        elif self.kinds[name] is CallKind.ASYNC:
            assert name not in self.answers_seen
            self.answers_seen[name] = (event.error or "").encode()
        else:
            assert (side, name) not in self.ends_seen, "an end is reported once"
            self.ends_seen[side, name] = event.error

    @invariant()
    def items_come_in_order_and_only_if_sent(self) -> None:
        for (side, name), items in self.received.items():
            sent = self.sent[1 - side, name]
            assert items == sent[: len(items)]

    @invariant()
    def an_end_is_the_other_sides_or_an_echo(self) -> None:
        for (side, name), error in self.ends_seen.items():
            ends = {
                self.ends_made[who, name] for who in (LEFT, RIGHT) if (who, name) in self.ends_made
            }
            assert error in ends, (side, name)

    @invariant()
    def answers_are_the_ones_made(self) -> None:
        assert all(self.answers_made[name] == a for name, a in self.answers_seen.items())

    def teardown(self) -> None:
        """Once all bytes have travelled both sides agree, and ended calls are forgotten."""
        for _ in range(4):
            for side in (LEFT, RIGHT):
                self.travel(side, 1 << 30)
        for _, name in self.ends_made:
            assert (LEFT, name) in self.ends_seen
            assert (RIGHT, name) in self.ends_seen
        assert self.answers_seen == self.answers_made
        ended = {name for _, name in self.ends_made} | set(self.answers_made)
        open_count = len(self.kinds.keys() - ended)
        assert [len(side._session._calls) for side in self.sides] == [open_count] * 2


TestCallLives = CallLives.TestCase
TestCallLives.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
