"""What people do with a peer: one folder for each app, alike inside."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lichen.node.app import App


def all_apps() -> "tuple[App, ...]":
    """Return every app of this peer."""
    # Imported when a peer is made: whoever only reads contents needs no peer.
    from lichen.apps.social.app import SOCIAL_APP  # noqa: PLC0415

    return (SOCIAL_APP,)
