"""What a peer does while it is killed. A new way to be killed is one more line in ``SCENES``."""

import itertools
import json
from collections.abc import Callable

import msgspec
from lichen_peer import LocalSocket
from older import make_older
from stories import Story

from lichen.store.schema import delete_database

Act = Callable[[Story, LocalSocket], None]


class Scene(msgspec.Struct, frozen=True):
    """One way to be killed. ``before`` is done to the folder, ``act`` asked of the running peer."""

    act: Act
    before: Callable[[Story], None] = lambda _story: None
    weight: float = 1.0


def _receive(_story: Story, api: LocalSocket) -> None:
    """Receive what the partner has."""
    while True:
        api.call("status")


def _publish(story: Story, api: LocalSocket) -> None:
    """Publish one by one and many at once."""
    for number in itertools.count():
        count = story.rng.choice((1, 1, 1, 30))
        text = f"{number} " + "mine " * story.rng.choice((1, 100))
        story.publish(api, [{"type": "post", "text": text}] * count)


def _talk(story: Story, api: LocalSocket) -> None:
    """Both publish in turn while they are connected."""
    for number in itertools.count():
        story.partner.api.call("publish", {"type": "post", "text": f"partner's {number}"})
        story.publish(api, [{"type": "post", "text": f"answer {number}"}])


def _fetch_blobs(story: Story, api: LocalSocket) -> None:
    """Want all blobs of the partner, and add some."""
    wanted = [item.decode() for item in story.partner.api.source("blobs.ls")]
    for blob in wanted:
        api.call("blobs.want", blob, {"nowait": True})
    file = story.folder / "own blob"
    for _ in itertools.count():
        file.write_bytes(story.rng.randbytes(story.rng.choice((100, 40_000, 400_000))))
        story.blobs.add(api.call("blobs.addFile", {"path": str(file)}).decode())
        story.blobs.update(blob for blob in wanted if json.loads(api.call("blobs.has", blob)))
        if len(story.blobs) > 40:
            _receive(story, api)


def _import(story: Story, api: LocalSocket) -> None:
    """Read a file of messages, again and again."""
    while True:
        for _ in api.source("lichen.importFile", {"path": str(story.folder / "imported.jsonl")}):
            pass


def _back_up(story: Story, api: LocalSocket) -> None:
    """Make backups while messages are published."""
    while True:
        story.publish(api, [{"type": "post", "text": "to be kept"}])
        path = story.folder / f"backup {len(story.told)}"
        last = max(story.told)
        for _ in api.source("lichen.backup", {"path": str(path)}):
            pass
        story.backups[path] = last


def _without_views(story: Story) -> None:
    """Have all views folded again."""
    delete_database(story.home / "views.db")


def _from_older(story: Story) -> None:
    """Have the files brought forward from an earlier format."""
    if (story.home / "log.db").exists() and (story.home / "local.db").exists():
        make_older(story.home, story.rng)


SCENES = (
    Scene(_receive, weight=2),
    Scene(_publish, weight=2),
    Scene(_talk, weight=2),
    Scene(_receive, before=_without_views, weight=1.5),
    Scene(_talk, before=_from_older, weight=1.5),
    Scene(_fetch_blobs),
    Scene(_import),
    Scene(_back_up),
)
