"""Reading is tolerant, writing is exact."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lichen.apps.social import content as social
from lichen.apps.social.content import About, Mention, Post, Vote
from lichen.feed.canonical import canonicalize, encode_compact
from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.identity import generate_identity
from lichen.feed.message import FeedState
from lichen.feed.refs import blob_id_from_bytes, feed_id_from_bytes, msg_id_from_bytes

FEED = feed_id_from_bytes(b"\1" * 32)
ROOT, BRANCH = msg_id_from_bytes(b"\2" * 32), msg_id_from_bytes(b"\3" * 32)
BLOB = blob_id_from_bytes(b"\4" * 32)


def test_post_leaves_out_what_it_does_not_say() -> None:
    assert social.encode_post(Post("hello")) == {"type": "post", "text": "hello"}


def test_single_branch_is_a_text_and_several_are_a_list() -> None:
    one = social.encode_post(Post("a", root=ROOT, branch=(ROOT,)))
    two = social.encode_post(Post("a", root=ROOT, branch=(ROOT, BRANCH)))
    assert one["branch"] == ROOT
    assert two["branch"] == [ROOT, BRANCH]


def test_post_is_read_back_as_written() -> None:
    post = Post(
        "hello",
        root=ROOT,
        branch=(ROOT, BRANCH),
        channel="gardening",
        mentions=(Mention(FEED, "anna"), Mention("#gardening")),
    )
    assert social.parse_post(social.encode_post(post)) == post


@pytest.mark.parametrize(
    ("member", "value"),
    [("root", 7), ("root", "%short"), ("root", FEED), ("branch", {"a": 1}), ("mentions", "x"),
     ("channel", 3), ("fork", [])],
)  # fmt: skip
def test_members_of_the_wrong_kind_count_as_absent(member: str, value: Any) -> None:
    assert social.parse_post({"type": "post", "text": "t", member: value}) == Post("t")


def test_text_of_the_wrong_kind_is_no_text() -> None:
    assert social.parse_post({"type": "post", "text": {"a": 1}}) == Post("")


@pytest.mark.parametrize("content", [None, "secret.box", 3, [], {}, {"type": "vote"}])
def test_other_contents_are_no_posts(content: Any) -> None:
    assert social.parse_post(content) is None


def test_mentions_are_found_once_in_order_but_not_in_code() -> None:
    text = f"hi [@anna]({FEED}) see {ROOT} #Gardening `[x]({BLOB})` and [@a]({FEED}) {FEED}"
    assert social.mentions_in(text) == (
        Mention(FEED, "anna"),
        Mention(ROOT),
        Mention("#gardening"),
    )


@pytest.mark.parametrize("text", ["# Title", "a#b", "x=#", f"no{FEED}", "[@a](@short)"])
def test_what_only_looks_like_a_mention_is_none(text: str) -> None:
    assert social.mentions_in(text) == ()


def test_about_reads_links_and_retractions() -> None:
    content = {
        "type": "about",
        "about": {"link": FEED},
        "name": "anna",
        "image": {"link": BLOB, "size": 3},
        "description": {"remove": True},
    }
    assert social.parse_about(content) == About(
        FEED, (("name", "anna"), ("description", None), ("image", BLOB))
    )


@pytest.mark.parametrize("name", ["", "  ", 3, None, ["a"]])
def test_empty_names_say_nothing(name: Any) -> None:
    about = social.parse_about({"type": "about", "about": FEED, "name": name})
    assert about == About(FEED, ())


def test_about_nothing_is_no_about() -> None:
    assert social.parse_about({"type": "about", "name": "anna"}) is None


@pytest.mark.parametrize(
    ("value", "read"), [(1, 1), (0, 0), (-1, -1), (0.5, 1), ("1", 0), (None, 0)]
)
def test_only_what_is_above_nothing_likes(value: Any, read: Any) -> None:
    content = {"type": "vote", "vote": {"link": ROOT, "value": value, "expression": 1}}
    assert social.parse_vote(content) == Vote(ROOT, read)


def test_vote_is_read_back_as_written() -> None:
    vote = Vote(ROOT, 1, "Yup")
    assert social.parse_vote(social.encode_vote(vote)) == vote


def test_relations_say_both_members_so_that_old_clients_agree() -> None:
    assert social.encode_follow(FEED)["blocking"] is False
    assert social.encode_block(FEED) == {
        "type": "contact", "contact": FEED, "following": False, "blocking": True,
    }  # fmt: skip
    assert social.encode_unfollow(FEED)["following"] is False


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.sampled_from(["", " ", "x", FEED, ROOT, BLOB]),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["link", "value", "remove", "name"]), inner)
    ),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["about", "name", "image", "vote", "root", "branch", "fork", "mentions"]),
        JSON,
    ),
    st.sampled_from(["post", "about", "vote"]),
)
def test_no_content_breaks_a_reader(members: Any, type_name: str) -> None:
    content = {**members, "type": type_name}
    social.parse_post(content)
    social.parse_about(content)
    social.parse_vote(content)
    social.parse_place(content)


@given(st.text(alphabet="[]()@%&#` \n=a", max_size=200))
def test_no_text_breaks_the_search_for_mentions(text: str) -> None:
    social.mentions_in(text)


@pytest.mark.parametrize("text", ["", "plain", 'é日\U0001f600 \\ " \n \u2028', "\ud800"])
@pytest.mark.parametrize("earlier", [1, 9, 10])
def test_size_of_a_post_is_that_of_the_message_it_becomes(text: str, earlier: int) -> None:
    content = social.encode_post(Post(text, root=ROOT, mentions=(Mention(FEED, "anna"),)))
    state = FeedState(earlier, BRANCH)
    data = encode_compact(content).encode()
    message = ClassicFormat().create(data, generate_identity(b"\1" * 32), state, 1.7e12)
    units = len(canonicalize(message.data).indented.decode().encode("utf-16-le")) // 2
    assert social.post_size(content, earlier + 1) == (units, 8192)


def test_channels_of_a_post_are_normalized_and_each_once() -> None:
    post = Post("", channel="garden", mentions=(Mention("#Gar Den"), Mention(FEED), Mention("#b")))
    assert social.channels_of(post) == ("garden", "b")
