"""The pages about the peer itself: who is near, what is set, how it does, its files."""

from lichen.node.page import Page, Watch
from lichen.web.pages.files import show_blob, show_face
from lichen.web.pages.network import (
    add_peer,
    allow_lan,
    disconnect_peer,
    forget_address,
    show_network,
    watch_network,
    watch_sync,
)
from lichen.web.pages.settings import save_settings, show_settings
from lichen.web.pages.status import show_status, trust_peer, watch_views

PAGES: tuple[Page, ...] = (
    Page("/network", show_network),
    Page("/network/connect", add_peer, "POST"),
    Page("/network/disconnect", disconnect_peer, "POST"),
    Page("/network/forget", forget_address, "POST"),
    Page("/network/lan", allow_lan, "POST"),
    Page("/settings", show_settings),
    Page("/settings", save_settings, "POST"),
    Page("/status", show_status),
    Page("/status/trust", trust_peer, "POST"),
    Page("/face/{feed}.svg", show_face),
    Page("/blob/{blob}", show_blob),
)
WATCHES: tuple[Watch, ...] = (
    Watch("web.network", watch_network),
    Watch("web.sync", watch_sync),
    Watch("web.views", watch_views),
)
