"""Writing down what the audit finds: all of it in the writer thread, the log last.

If a signature does not hold, its feed is cut off before it. Power may fail between any two steps,
so they come in this order, each flushed: what was received is; the views let go of the messages
(those that know how take them out, the others are made anew); this machine notes who sent them, and
stops trusting what it remembers of the peers, as after any loss; the messages leave the log. What
is left undone is found again by the next audit.
"""

from collections.abc import Callable
from concurrent.futures import Future

from lichen.store.audit.auditor import Audited, AuditFailed, AuditNews, Piece
from lichen.store.local import Local, LogEnd
from lichen.store.log import Log, LogWriter
from lichen.store.views.engine import FoldEngine


class AuditRegister:
    """The register of one store. ``submit`` has a job done by the writer."""

    def __init__(
        self,
        log: Log,
        writer: LogWriter,
        engine: FoldEngine,
        local: Local,
        submit: Callable[[Callable[[], None]], Future[None]],
        on_audit: Callable[[AuditNews], None],
        is_ingesting: Callable[[], bool],
    ) -> None:
        self._log = log
        self._writer = writer
        self._engine = engine
        self._local = local
        self._submit = submit
        self._on_audit = on_audit
        self.is_ingesting = is_ingesting

    def mark_audited(self, pieces: list[Piece]) -> Future[None]:
        """Note that all signatures of some pieces hold."""
        return self._submit(lambda: self._mark(pieces))

    def cut(self, piece: Piece, sequence: int) -> Future[None]:
        """End a feed before a message whose signature does not hold."""
        return self._submit(lambda: self._cut(piece, sequence))

    def is_folding(self) -> bool:
        """Tell whether views are behind the log, and being brought up to it."""
        return self._engine.is_behind()

    def _mark(self, pieces: list[Piece]) -> None:
        # What was read before a cut may not be what the log has there now.
        current = [piece for piece in pieces if piece.cuts == self._log.cuts]
        if not current:
            return
        self._writer.mark_audited([(piece.feed, piece.first, piece.last) for piece in current])
        feeds = dict.fromkeys(piece.feed for piece in current)
        self._on_audit(Audited(tuple((feed, self._log.audited(feed)) for feed in feeds)))

    def _cut(self, piece: Piece, sequence: int) -> None:
        if piece.cuts != self._log.cuts:
            return
        feed = piece.feed
        # Views and this machine will say of messages and numbers that they were in the log. If a
        # power cut could still take them, others would get their numbers.
        self._writer.flush()
        self._engine.forget(self._writer.numbers_from(feed, sequence))
        newest = self._writer.newest_but(feed, sequence)
        self._local.note_cut(
            LogEnd(0, "") if newest is None else LogEnd(*newest),
            () if piece.source is None else (piece.source,),
        )
        self._writer.cut(feed, sequence)
        self._on_audit(AuditFailed(feed, sequence, piece.source))
