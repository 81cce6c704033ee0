"""Contacts and pubs, by the rules of ssb-friends and ssb-conn."""

import json
from typing import Any

import pytest

from lichen.feed.addresses import NetAddress
from lichen.feed.content import Contact, Pub, content_type, parse_contact, parse_pub
from lichen.feed.formats.classic import ClassicFormat
from lichen.feed.identity import generate_identity
from lichen.feed.message import FeedState, Message, MsgId

ME = generate_identity(b"\x07" * 32)
FRIEND = generate_identity(b"\x08" * 32).id
FORMAT = ClassicFormat()
STATE = FeedState(4, MsgId("%" + "A" * 43 + "=.sha256"))


def publish(content: dict[str, Any] | str) -> Message:
    return FORMAT.create(json.dumps(content).encode(), ME, STATE, 1.0)


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ({"following": True}, 1),
        ({"following": True, "blocking": False}, 1),
        ({"following": True, "blocking": True}, -1),
        ({"following": True, "flagged": {"reason": "spam"}}, -1),
        ({"following": True, "flagged": []}, -1),
        ({"blocking": "yes"}, -1),
        ({"blocking": 1}, -1),
        ({"blocking": 0, "flagged": ""}, -2),
        ({"blocking": None}, -2),
        ({"following": False}, -2),
        ({"following": 1}, -2),
        ({"following": "true"}, -2),
        ({}, -2),
    ],
)
def test_what_a_contact_message_says(said: dict[str, Any], value: int) -> None:
    message = publish({"type": "contact", "contact": FRIEND, **said})
    assert parse_contact(message) == Contact(ME.id, FRIEND, value, 5)


@pytest.mark.parametrize(
    "content",
    [
        {"type": "post", "contact": FRIEND, "text": '"contact"'},
        {"type": "contact"},
        {"type": "contact", "contact": "@friend"},
        {"type": "contact", "contact": {"link": FRIEND}},
        {"type": "contact", "contact": [FRIEND]},
        "YWJj.box",
    ],
)
def test_other_messages_are_no_contacts(content: dict[str, Any] | str) -> None:
    assert parse_contact(publish(content)) is None


def test_an_escaped_type_is_read_as_any_peer_reads_it() -> None:
    text = f'{{"type":"c\\u006fntact","contact":"{FRIEND}","following":true}}'
    message = FORMAT.create(text.encode(), ME, STATE, 1.0)
    assert parse_contact(message) == Contact(ME.id, FRIEND, 1, 5)


def test_pubs_give_their_address_in_either_form() -> None:
    place = NetAddress("pub.example.com", 8008, FRIEND)
    parts = {"host": "pub.example.com", "port": 8008, "key": FRIEND}
    assert parse_pub(publish({"type": "pub", "address": parts})) == Pub(ME.id, place, 5)
    text = f"net:pub.example.com:8008~shs:{FRIEND[1:45]}"
    assert parse_pub(publish({"type": "pub", "address": text})) == Pub(ME.id, place, 5)


@pytest.mark.parametrize(
    "content",
    [
        {"type": "pub"},
        {"type": "pub", "address": None},
        {"type": "pub", "address": "nonsense"},
        {"type": "pub", "address": {"host": "pub.example.com", "port": 8008}},
        {"type": "pub", "address": {"host": "", "port": 8008, "key": FRIEND}},
        {"type": "post", "address": f"net:a.example:8008~shs:{FRIEND[1:45]}", "text": '"pub"'},
        "YWJj.box",
    ],
)
def test_a_pub_without_a_good_address_is_none(content: dict[str, Any] | str) -> None:
    assert parse_pub(publish(content)) is None


def test_types_are_read() -> None:
    assert content_type(b'{"text":"x","type":"post"}') == "post"
    assert content_type(b'{"type":"\\ud800ab"}') == "\ud800ab"
    assert content_type(b'"YWJj.box"') is None
    assert content_type(b'{"type":1}') is None
    assert content_type(b"{") is None
