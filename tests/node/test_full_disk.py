"""A disk that is really full, a folder that cannot be written: told in words, and nothing is lost.

A peer of this program, web app included, lives on a disk of a few megabytes that this test mounts
where nobody else sees it; that needs root on Linux.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0 or shutil.which("unshare") is None,
    reason="mounting a small disk needs root on Linux",
)

LIFE = """
import asyncio, json, os, subprocess, sys
from pathlib import Path

disk = Path(sys.argv[1])
sys.path.insert(0, sys.argv[2])
from conftest import Writer, open_house
from lichen.node import service as peers
from lichen.node.errors import ApiError
from lichen.store.errors import StoreWriteFailed

peers.WRITE_RETRY_S = 0.1

def fill():
    for size in (65536, 4096, 512):
        with (disk / f"fill-{size}").open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass

def make_room():
    for path in disk.glob("fill-*"):
        path.unlink()

async def live():
    async with open_house(disk / "peer") as house:
        notices = []
        house.service.hub.listen(lambda notice: notices.append(notice.topic))
        await house.call("social.post", {"text": "before"})
        await asyncio.wrap_future(house.service.store.wait_folded())
        fill()
        # What fails says so with the next step, as often as it is tried; it is told once.
        said = "x" * 3000
        for _ in range(3):
            answer = await house.post("/write", {"text": said, "act": "publish"})
            assert answer.status_code == 400, answer.status_code
            assert "disk full" in answer.text and "Make room" in answer.text
            assert "then publish it again" in answer.text, "it does not wait for room by itself"
            assert said in answer.text
        # Others' messages: refused, and nothing of them believed.
        ada = Writer(7)
        for number in range(40):
            ada.write(type="post", text="y" * 3000)
        for _ in range(3):
            try:
                await house.receive(ada)
            except StoreWriteFailed:
                ada._sent = 0
            else:
                raise AssertionError("it fitted")
        assert house.service.store.log.received(ada.id) == 0
        # Reading goes on, and the pages say what is the matter.
        for path in ("/", "/status", "/network", "/write", "/settings"):
            page = await house.get(path)
            assert page.status_code == 200, path
            assert "Nothing can be written" in page.text, path
        assert "before" in (await house.get("/")).text
        assert said in (await house.get("/write")).text, "the draft is kept"
        [finding] = [f for f in await house.call("lichen.doctor") if f["check"] == "disk"]
        assert finding["verdict"] == "fail" and "room" in finding["remedy"]
        status = await house.call("status")
        assert status["writeTrouble"]["count"] > 3
        await asyncio.sleep(0.5)
        assert notices.count("store-failed") == 1, notices
        # Room: by itself, nobody restarts anything.
        make_room()
        for _ in range(100):
            await asyncio.sleep(0.05)
            if house.service.store.trouble is None:
                break
        assert house.service.store.trouble is None
        assert notices.count("store-works") == 1, notices
        assert not house.service.store.local.has_unsaved
        assert (await house.call("status"))["writeTrouble"] is None
        await house.receive(ada)
        assert house.service.store.log.received(ada.id) == 40
    async with open_house(disk / "peer") as house:
        assert said in (await house.get("/write")).text, "the draft is on the disk"
        answer = await house.post("/write", {"text": said, "act": "publish"})
        assert answer.status_code == 303
        assert len(house.own_messages()) == 2
        assert house.service.store.log.damage() == ""

async def begin(words):
    try:
        async with open_house(disk / "peer"):
            raise AssertionError("it opened")
    except ApiError as error:
        assert words in error.words, error.words
        return error

def post_a_letter():
    ended = subprocess.run(
        [sys.executable, "-m", "lichen", "post", "--home", str(disk / "peer"), "--json", "-"],
        input="a letter", capture_output=True, text=True,
    )
    fault = json.loads(ended.stderr.splitlines()[-1])
    assert (ended.stdout, ended.returncode) == ("", fault["code"])
    again = f"lichen post --home {disk / 'peer'} - <<'TEXT'\\na letter\\nTEXT"
    assert fault["again"] == again, fault
    return fault["error"]

asyncio.run(live())
fill()
assert post_a_letter() == "limit"
error = asyncio.run(begin("disk full"))
assert (error.slug, "Make room" in error.hint) == ("limit", True)
make_room()
os.system(f"mount -o remount,ro {disk}")
error = asyncio.run(begin("read-only"))
assert error.slug == "refused" and "--home" in error.hint
assert post_a_letter() == "refused"
os.system(f"mount -o remount,rw {disk}")
print("lived")
"""


def test_life_on_a_full_disk(tmp_path: Path) -> None:
    script = tmp_path / "life.py"
    script.write_text(LIFE)
    disk = tmp_path / "disk"
    disk.mkdir()
    command = (
        'mount -t tmpfs -o size=8m tmpfs "$1" && exec "$2" "$3" "$1" "$4"',
        "sh", str(disk), sys.executable, str(script), str(TESTS),
    )  # fmt: skip
    lived = subprocess.run(
        ["unshare", "-m", "sh", "-c", *command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert lived.stdout.endswith("lived\n"), lived.stdout + lived.stderr
    assert lived.returncode == 0
