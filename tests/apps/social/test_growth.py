"""No question costs more in a larger log: counted in steps of the database, whatever the clock."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import pytest

from lichen.apps import all_apps
from lichen.apps.social.reading import people, threads, timeline
from lichen.apps.social.reading.circle import Circle
from lichen.apps.social.search import asking, reading
from lichen.apps.social.search.asking import ask
from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.identity import parse_secret_file
from lichen.feed.message import FeedId, MsgId, RawMessage
from lichen.lab.corpus import generate_corpus
from lichen.store.schema import Readers
from lichen.store.store import Binding, Store
from lichen.store.views import base_views
from lichen.store.views import queries as views_of_all
from lichen.store.views.queries import Page

AUTHORS = 60
SMALL, LARGE = 3_000, 15_000
LIMIT = 3
"""Of each page, so that there is a full one in the small log."""
GROWTH_MAX = 1.5
STEPS_FREE = 500
"""More that may be for what stands on one page and not on another: a row takes some ten."""
NOW_S = 1.7e9

Steps = dict[str, int]


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> tuple[Steps, Steps]:
    """Return the steps of each question in a small log and in a large one."""
    counted: list[int] = []
    opening = Readers._open

    def opened(self: Readers) -> apsw.Connection:
        db = opening(self)
        db.trace_v2(apsw.SQLITE_TRACE_PROFILE, profiled)
        return db

    def profiled(event: dict[str, Any]) -> None:
        if "'main'." not in event["sql"]:  # FTS's own statements, whose steps are added up
            counted.append(event["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"])

    def count(messages: int) -> Steps:
        folder = tmp_path_factory.mktemp("growth")
        with filled(folder, messages) as store:
            own = parse_secret_file((folder / "corpus" / "secret").read_text()).id
            found = {}
            others = sorted(feed for feed in store.log.clock() if feed != own)
            circle = Circle(own, frozenset(others[:20]), frozenset(others[20:23]))
            patch.setattr(asking, "circle_of", lambda _store, _viewer: circle)
            for name, question in questions(store, own, circle).items():
                counted.clear()
                question()
                found[name] = sum(counted)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Readers, "_open", opened)
        patch.setattr(reading, "WINDOW", 20)
        patch.setattr(timeline, "CHUNK_ROWS", 20)
        patch.setattr(views_of_all, "AUTHOR_NUMBERS_FIRST", 50)
        patch.setattr(people, "NEARBY_SPAN", 200)
        patch.setattr(people, "FOLLOWERS_LOOKED_AT", 3)
        return count(SMALL), count(LARGE)


class filled:  # noqa: N801 (used as a function)
    """A store with a corpus, all folded, for a ``with``."""

    def __init__(self, folder: Path, messages: int) -> None:
        generate_corpus(messages, AUTHORS, 1, folder / "corpus")
        views = [*base_views(), *(view for app in all_apps() for view in app.views)]
        self._store = Store.open(
            folder / "peer",
            binding=Binding(b"n" * 32),
            formats={"classic": ClassicFormat()},
            views=views,
        )
        with gzip.open(folder / "corpus" / "corpus.jsonl.gz") as lines:
            raws = [raw_of(json.loads(line)["value"]) for line in lines]
        assert not self._store.ingest(raws).result(60).rejected
        self._store.wait_folded().result(60)

    def __enter__(self) -> Store:
        return self._store

    def __exit__(self, *_error: object) -> None:
        self._store.close()


def raw_of(value: Any) -> RawMessage:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return RawMessage(value["author"], value["sequence"], text.encode("utf-8", "surrogatepass"))


def questions(store: Store, own: FeedId, circle: Circle) -> dict[str, Callable[[], object]]:
    """Return what is asked, about what is of one size in both logs."""
    views, last = store.views, store.log.last_no
    root = next(root.key for root in threads.newest_roots(store) if replies(store, root.key) == 3)
    author = max((last, feed) for feed, last in store.log.clock().items() if feed != own)[1]
    told: dict[str, Any] = {"circle": circle, "limit": LIMIT}
    few = Page(limit=LIMIT)
    return {
        "home": lambda: timeline.home_page(store, own, **told),
        "home, long ago": lambda: timeline.home_page(store, own, before=last // 2, **told),
        "channel": lambda: timeline.channel_page(store, own, "gardening", **told),
        "thread": lambda: threads.open_thread(store, own, root, circle=circle),
        "gaps": lambda: store.log.missing([root]),
        "threads of a profile": lambda: timeline.profile_page(store, own, author, **told),
        "author": lambda: views.by_author(author, few),
        "posts of an author": lambda: views.by_author(author, few, kind="post"),
        "type": lambda: views.by_type("post", few),
        "follows": lambda: people.people(store, own, **told),
        "followers": lambda: people.people(store, own, "followers", **told),
        "nearby": lambda: people.people(store, own, "nearby", **told),
        "search": lambda: ask(store, own, "bread", NOW_S, limit=LIMIT),
        "search, long ago": lambda: ask(store, own, "bread before:2020-01-03", NOW_S, limit=LIMIT),
    }


def replies(store: Store, root: MsgId) -> int:
    return len(store.views.by_link(root, Page(), rel="root"))


def test_no_question_costs_more_in_a_larger_log(steps: tuple[Steps, Steps]) -> None:
    small, large = steps
    assert min(small.values()) > 10, "steps are counted"
    grown = {name: (small[name], large[name]) for name in small}
    assert not {n: both for n, both in grown.items() if both[1] > GROWTH_MAX * both[0] + STEPS_FREE}
