"""The methods of the social app on a real store, as local programs call them."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from lichen.apps.social.content import post_size
from lichen.feed.refs import blob_id_from_bytes, msg_id_from_bytes
from lichen.node.errors import ApiError

Play = Callable[[Any], None]
BLOB = blob_id_from_bytes(b"\x12" * 32)
NOWHERE = msg_id_from_bytes(b"\x11" * 32)


def test_following_twice_publishes_once(play: Play, anna: Any) -> None:
    async def scene(village: Any) -> None:
        first = await village.call("social.follow", {"id": anna.id})
        assert first["message"]["value"]["content"] == {
            "type": "contact",
            "contact": anna.id,
            "following": True,
            "blocking": False,
        }
        second = await village.call("social.follow", {"id": anna.id})
        assert second["already"] is True
        assert await village.own_count() == 1

    play(scene)


def test_at_once_is_one_after_the_other(play: Play, anna: Any) -> None:
    async def scene(village: Any) -> None:
        key = anna.write(type="post", text="hello")
        await village.receive(*anna.messages)
        for method, options in (
            ("social.follow", {"id": anna.id}),
            ("social.vote", {"id": key}),
            ("social.setName", {"id": anna.id, "name": "Anna"}),
            ("social.setProfile", {"name": "me"}),
        ):
            before = await village.own_count()
            answers = await asyncio.gather(*(village.call(method, options) for _ in range(5)))
            assert sum("message" in answer for answer in answers) == 1, method
            assert await village.own_count() == before + 1

    play(scene)


def test_relations_go_round(play: Play, anna: Any) -> None:
    async def scene(village: Any) -> None:
        steps = ["unfollow", "block", "block", "follow", "unfollow", "unfollow", "block"]
        published = [
            "message" in await village.call(f"social.{step}", {"id": anna.id}) for step in steps
        ]
        assert published == [False, True, False, True, True, False, True]
        own = await village.call("whoami")
        edge = {"source": own["id"], "dest": anna.id}
        assert await village.call("friends.isBlocking", edge) is True

    play(scene)


@pytest.mark.parametrize("verb", ["follow", "unfollow", "block"])
def test_nobody_relates_to_oneself(verb: str, play: Play) -> None:
    async def scene(village: Any) -> None:
        own = (await village.call("whoami"))["id"]
        with pytest.raises(ApiError, match="yourself") as caught:
            await village.call(f"social.{verb}", {"id": own})
        assert caught.value.slug == "usage"
        assert await village.own_count() == 0

    play(scene)


def test_dry_run_publishes_nothing(play: Play, anna: Any) -> None:
    async def scene(village: Any) -> None:
        answers = [
            await village.call("social.follow", {"id": anna.id, "dryRun": True}),
            await village.call("social.post", {"text": "hello", "dryRun": True}),
            await village.call("social.setName", {"id": anna.id, "name": "a", "dryRun": True}),
        ]
        assert [answer["content"]["type"] for answer in answers] == ["contact", "post", "about"]
        assert await village.own_count() == 0

    play(scene)


def test_thread_is_in_order_with_gaps(play: Play, anna: Any, bert: Any) -> None:
    async def scene(village: Any) -> None:
        root = anna.write(type="post", text="root")
        first = bert.write(type="post", text="first", root=root, branch=root)
        last = anna.write(type="post", text="last", root=root, branch=[first, NOWHERE])
        anna.write(type="vote", vote={"link": root, "value": 1}, root=root)
        await village.receive(*bert.messages, *anna.messages)
        for key in (root, first, last):
            items = await village.items("social.thread", key)
            assert [item["key"] for item in items] == [root, first, NOWHERE, last]
            assert items[2] == {"key": NOWHERE, "isMissing": True}
            assert items[0]["value"]["content"]["text"] == "root"

    play(scene)


def test_thread_without_its_root_is_shown_all_the_same(play: Play, bert: Any) -> None:
    async def scene(village: Any) -> None:
        reply = bert.write(type="post", text="reply", root=NOWHERE, branch=NOWHERE)
        await village.receive(*bert.messages)
        for key in (reply, NOWHERE):
            items = await village.items("social.thread", key)
            assert [item["key"] for item in items] == [NOWHERE, reply]

    play(scene)


def test_what_is_here_in_another_thread_is_no_gap(play: Play, anna: Any) -> None:
    async def scene(village: Any) -> None:
        elsewhere = anna.write(type="post", text="elsewhere")
        root = anna.write(type="post", text="root")
        reply = anna.write(type="post", text="reply", root=root, branch=[root, elsewhere])
        await village.receive(*anna.messages)
        items = await village.items("social.thread", root)
        assert [item["key"] for item in items] == [root, reply]

    play(scene)


def test_thread_of_nothing_is_not_found(play: Play) -> None:
    async def scene(village: Any) -> None:
        with pytest.raises(ApiError) as caught:
            await village.items("social.thread", NOWHERE)
        assert caught.value.slug == "not-found"

    play(scene)


def test_what_blocked_people_wrote_is_left_out(play: Play, anna: Any, bert: Any) -> None:
    async def scene(village: Any) -> None:
        root = anna.write(type="post", text="root")
        bert.write(type="post", text="spite", root=root, branch=root)
        spite = bert.write(type="post", text="more spite")
        await village.receive(*anna.messages, *bert.messages)
        await village.call("social.block", {"id": bert.id})
        assert [item["key"] for item in await village.items("social.thread", root)] == [root]
        assert [item["key"] for item in await village.items("social.timeline")] == [root]
        assert spite != root

    play(scene)


def test_reply_continues_the_heads_of_the_thread(play: Play, anna: Any, bert: Any) -> None:
    async def scene(village: Any) -> None:
        root = anna.write(type="post", text="root")
        one = bert.write(type="post", text="one", root=root, branch=root)
        two = anna.write(type="post", text="two", root=root, branch=root)
        await village.receive(*anna.messages, *bert.messages)
        answer = await village.call("social.post", {"text": "three", "root": one})
        content = answer["message"]["value"]["content"]
        assert content == {
            "type": "post",
            "text": "three",
            "root": root,
            "branch": sorted([one, two]),
        }
        again = await village.call("social.post", {"text": "four", "root": two})
        assert again["message"]["value"]["content"]["branch"] == answer["message"]["key"]

    play(scene)


def test_reply_to_what_is_not_here_is_refused(play: Play) -> None:
    async def scene(village: Any) -> None:
        with pytest.raises(ApiError) as caught:
            await village.call("social.post", {"text": "x", "root": NOWHERE})
        assert caught.value.slug == "not-found"
        assert await village.own_count() == 0

    play(scene)


def test_post_carries_channel_and_mentions(play: Play, anna: Any) -> None:
    async def scene(village: Any) -> None:
        text = f"see [@anna]({anna.id})"
        answer = await village.call("social.post", {"text": text, "channel": "#Gar Den"})
        assert answer["message"]["value"]["content"] == {
            "type": "post",
            "text": text,
            "channel": "garden",
            "mentions": [{"link": anna.id, "name": "anna"}],
        }

    play(scene)


@pytest.mark.parametrize(
    ("method", "argument"),
    [
        ("social.post", {"text": " "}),
        ("social.post", {}),
        ("social.post", {"text": "a", "channel": "#"}),
        ("social.post", {"text": "a", "root": "%x"}),
        ("social.follow", {"id": "@x"}),
        ("social.follow", None),
        ("social.setName", {"id": NOWHERE, "name": ""}),
        ("social.setName", {"id": NOWHERE, "name": "a\u202eb"}),
        ("social.setName", {"id": NOWHERE, "name": "x" * 200}),
        ("social.vote", {"id": NOWHERE, "value": 2}),
        ("social.vote", {"id": NOWHERE, "value": True}),
        ("social.vote", {"id": NOWHERE, "value": [1]}),
        ("social.vote", {"id": NOWHERE, "expression": "a\nb"}),
        ("social.vote", {"id": NOWHERE, "expression": "x" * 40}),
        ("social.vote", {"id": NOWHERE, "expression": 7}),
        ("social.vote", {"id": "%x"}),
        ("social.setProfile", {}),
        ("social.setProfile", {"id": "%x", "name": "a"}),
        ("social.setProfile", {"name": 7}),
        ("social.setProfile", {"description": " "}),
        ("social.setProfile", {"image": NOWHERE}),
        ("social.setProfile", {"image": {"link": BLOB, "size": "3"}}),
        ("social.setProfile", {"image": {"link": BLOB, "extra": 1}}),
        ("social.post", {"text": "a", "fork": True}),
        ("social.post", {"text": "a", "branch": [NOWHERE]}),
        ("social.names", {"ids": "all"}),
        ("social.byName", 7),
        ("social.name", "#channel"),
    ],
)
def test_nonsense_is_refused_in_words(method: str, argument: Any, play: Play) -> None:
    async def scene(village: Any) -> None:
        with pytest.raises(ApiError) as caught:
            await village.call(method, argument)
        assert caught.value.slug == "usage"
        assert caught.value.message.endswith(".")
        assert await village.own_count() == 0

    play(scene)


def test_name_is_ones_own_word_then_theirs_then_the_others(
    play: Play, anna: Any, bert: Any
) -> None:
    async def scene(village: Any) -> None:
        bert.write(type="about", about=anna.id, name="annie")
        await village.receive(*bert.messages)
        assert await village.call("social.name", anna.id) == "annie"
        anna.write(type="about", about=anna.id, name="Anna")
        await village.receive(*anna.messages)
        assert await village.call("social.name", anna.id) == "Anna"
        await village.call("social.setName", {"id": anna.id, "name": "sister"})
        assert await village.call("social.name", anna.id) == "sister"
        assert await village.call("social.names", {"ids": [anna.id, bert.id, "x"]}) == {
            anna.id: "sister"
        }
        again = await village.call("social.setName", {"id": anna.id, "name": " sister "})
        assert again["already"] is True

    play(scene)


def test_people_are_found_by_the_name_that_counts(play: Play, anna: Any, bert: Any) -> None:
    async def scene(village: Any) -> None:
        anna.write(type="about", about=anna.id, name="Anna")
        bert.write(type="about", about=bert.id, name="anna")
        bert.write(type="about", about=anna.id, name="annoying")
        await village.receive(*anna.messages, *bert.messages)
        found = await village.call("social.byName", "ANNA")
        assert {item["id"] for item in found} == {anna.id, bert.id}
        assert await village.call("social.byName", "annoying") == []
        await village.call("social.setName", {"id": anna.id, "name": "anna"})
        found = await village.call("social.byName", "anna")
        assert found == [{"id": anna.id, "name": "anna"}]

    play(scene)


def test_timeline_is_newest_first_and_without_replies(play: Play, anna: Any) -> None:
    async def scene(village: Any) -> None:
        posts = [anna.write(type="post", text=str(number)) for number in range(5)]
        anna.write(type="post", text="reply", root=posts[0], branch=posts[0])
        await village.receive(*anna.messages)
        items = await village.items("social.timeline", {"limit": 3})
        assert [item["key"] for item in items] == posts[:1:-1]
        older = {"limit": 3, "lt": items[-1]["timestamp"]}
        anna.write(type="post", text="later")
        await village.receive(*anna.messages[-1:])
        items = await village.items("social.timeline", older)
        assert [item["key"] for item in items] == posts[1::-1]
        with pytest.raises(ApiError):
            await village.items("social.timeline", {"lt": "x"})

    play(scene)


def content_of(answer: Any) -> Any:
    return answer["message"]["value"]["content"]


def test_voting_twice_publishes_once(play: Play, anna: Any) -> None:
    async def scene(village: Any) -> None:
        key = anna.write(type="post", text="x")
        await village.receive(*anna.messages)
        assert (await village.call("social.vote", {"id": key, "value": 0}))["already"] is True
        first = await village.call("social.vote", {"id": key, "expression": "\U0001f33f"})
        assert content_of(first) == {
            "type": "vote",
            "vote": {"link": key, "value": 1, "expression": "\U0001f33f"},
        }
        again = await village.call("social.vote", {"id": key, "expression": "\U0001f33f"})
        assert again["already"] is True
        plain = await village.call("social.vote", {"id": key})
        assert content_of(plain) == {"type": "vote", "vote": {"link": key, "value": 1}}
        back = await village.call("social.vote", {"id": key, "value": 0, "expression": "no"})
        assert content_of(back) == {"type": "vote", "vote": {"link": key, "value": 0}}
        assert (await village.call("social.vote", {"id": key, "value": 0}))["already"] is True
        assert await village.own_count() == 3

    play(scene)


def test_profile_is_one_message_of_what_changes(play: Play, anna: Any) -> None:
    async def scene(village: Any) -> None:
        own = (await village.call("whoami"))["id"]
        first = await village.call(
            "social.setProfile", {"name": " A  B ", "description": "hi", "image": BLOB}
        )
        assert content_of(first) == {
            "type": "about", "about": own, "name": "A B", "description": "hi", "image": BLOB,
        }  # fmt: skip
        image = {"link": BLOB, "size": 3}
        again = await village.call("social.setProfile", {"name": "A B", "image": image})
        assert again["already"] is True
        changed = await village.call(
            "social.setProfile", {"name": "A B", "description": None, "image": image}
        )
        assert content_of(changed) == {
            "type": "about", "about": own, "description": {"remove": True},
        }  # fmt: skip
        gone = await village.call("social.setProfile", {"description": None})
        assert gone["already"] is True
        other = await village.call("social.setProfile", {"id": anna.id, "name": "sister"})
        assert content_of(other) == {"type": "about", "about": anna.id, "name": "sister"}
        assert await village.call("social.name", anna.id) == "sister"
        assert await village.own_count() == 3

    play(scene)


def test_side_thread_begins_at_the_reply(play: Play, anna: Any) -> None:
    async def scene(village: Any) -> None:
        root = anna.write(type="post", text="root")
        one = anna.write(type="post", text="one", root=root, branch=root)
        anna.write(type="post", text="two", root=root, branch=one)
        await village.receive(*anna.messages)
        aside = await village.call("social.post", {"text": "x", "root": one, "fork": True})
        assert content_of(aside) == {
            "type": "post", "text": "x", "root": one, "branch": one, "fork": root,
        }  # fmt: skip
        plain = await village.call("social.post", {"text": "x", "root": root, "fork": True})
        assert "fork" not in content_of(plain)
        chosen = await village.call("social.post", {"text": "y", "root": root, "branch": [one]})
        assert content_of(chosen)["branch"] == one

    play(scene)


def test_a_text_too_long_is_told_by_how_much(play: Play) -> None:
    async def scene(village: Any) -> None:
        used, limit = post_size({"type": "post", "text": ""}, 1)
        with pytest.raises(ApiError, match="about 7 characters too long") as caught:
            await village.call("social.post", {"text": "é" * (limit - used + 7)})
        assert caught.value.slug == "invalid"
        await village.call("social.post", {"text": "é" * (limit - used)})
        # The second message has a previous one, which the first one's size counts already.
        assert post_size({"type": "post", "text": ""}, 2) == (used, limit)
        with pytest.raises(ApiError, match="about 1 character too long"):
            await village.call("social.post", {"text": "é" * (limit - used + 1)})
        await village.call("social.post", {"text": "é" * (limit - used)})
        assert await village.own_count() == 2

    play(scene)


def test_people_are_listed_page_by_page(play: Play, anna: Any, bert: Any, carl: Any) -> None:
    async def scene(village: Any) -> None:
        own = (await village.call("whoami"))["id"]
        anna.write(type="about", about=anna.id, name="Anna")
        anna.write(type="contact", contact=own, following=True)
        anna.write(type="contact", contact=carl.id, following=True)
        await village.receive(*anna.messages)
        for person in (bert, anna):
            await village.call("social.follow", {"id": person.id})
        first = await village.call("social.people", {"limit": 1})
        assert first["people"] == [
            {
                "id": anna.id,
                "name": "Anna",
                "mine": "follows",
                "theirs": "follows",
                "introducedBy": [],
            }
        ]
        rest = await village.call("social.people", {"limit": 1, "before": first["before"]})
        assert ([each["id"] for each in rest["people"]], rest["before"]) == ([bert.id], None)
        (near,) = (await village.call("social.people", {"kind": "nearby"}))["people"]
        assert (near["id"], near["introducedBy"]) == (carl.id, [anna.id])
        for wrong in ({"kind": "all"}, {"limit": 0}, {"limit": True}, {"before": "x"}):
            with pytest.raises(ApiError):
                await village.call("social.people", wrong)

    play(scene)


def test_namesakes_are_paged_by_id(play: Play, anna: Any, bert: Any) -> None:
    async def scene(village: Any) -> None:
        for person in (anna, bert):
            person.write(type="about", about=person.id, name="Kim")
        await village.receive(*anna.messages, *bert.messages)
        low, high = sorted([anna.id, bert.id])
        both = await village.call("social.byName", "kim")
        assert both == [{"id": low, "name": "Kim"}, {"id": high, "name": "Kim"}]
        assert await village.call("social.byName", "kim", {"limit": 1}) == both[:1]
        assert await village.call("social.byName", "kim", {"limit": 1, "after": low}) == both[1:]
        with pytest.raises(ApiError):
            await village.call("social.byName", "kim", {"limit": 0})

    play(scene)
