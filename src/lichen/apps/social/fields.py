"""What a local program may say of somebody in one message: a name, a description, a picture.

Stricter than reading: what is published here shall be fit for every client.
"""

from collections.abc import Mapping

from lichen.apps.social.content import link_of
from lichen.apps.social.rules import NAME_CHARACTERS_MAX
from lichen.feed.canonical import JsonValue
from lichen.feed.refs import is_blob_id
from lichen.node.errors import ApiError
from lichen.words import N_

IMAGE_MEMBERS = {"link": str, "type": str, "size": int, "width": int, "height": int}
"""What is said of a picture beside its blob, and of which kind it is."""


def profile_fields(options: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return the fields that a call sets, None for what it takes back. Raises ``ApiError``."""
    fields: dict[str, JsonValue] = {}
    for key, read in (("name", profile_name), ("description", _description), ("image", _image)):
        if key in options:
            value = options[key]
            fields[key] = None if value is None else read(value)
    if not fields:
        raise ApiError("usage", N_("Give a name, a description or an image."))
    return fields


def profile_name(given: JsonValue) -> str:
    """Return a name as it is published. Raises ``ApiError``."""
    name = " ".join(given.split()) if isinstance(given, str) else ""
    if not name.isprintable() or not 0 < len(name) <= NAME_CHARACTERS_MAX:
        raise ApiError(
            "usage",
            N_("A name has 1 to {most} characters, all of them visible.", most=NAME_CHARACTERS_MAX),
        )
    return name


def _description(given: JsonValue) -> str:
    if not isinstance(given, str) or not given.strip():
        raise ApiError("usage", N_("A description is a text."), N_("Give null to take it back."))
    return given.strip()


def _image(given: JsonValue) -> JsonValue:
    """Return a picture as it is published: the blob's id, or an object that says more of it."""
    if not is_blob_id(link_of(given)):
        raise ApiError(
            "usage",
            N_("{id} is not the id of a blob.", id=repr(given)),
            N_("It looks like &…=.sha256"),
        )
    if not isinstance(given, dict):
        return given
    for key, value in given.items():
        kind = IMAGE_MEMBERS.get(key)
        if kind is None or not isinstance(value, kind) or isinstance(value, bool):
            raise ApiError(
                "usage",
                N_("An image says nothing like {key}: {value}.", key=key, value=repr(value)),
            )
    return given
