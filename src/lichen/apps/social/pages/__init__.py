"""The pages of the social app."""

from lichen.apps.social.pages.finding import search
from lichen.apps.social.pages.people import (
    relate,
    save_profile,
    show_edit,
    show_people,
    show_profile,
)
from lichen.apps.social.pages.reading import (
    show_channel,
    show_home,
    show_message,
    show_thread,
    watch_fresh,
    watch_near,
    watch_replies,
    watch_unchecked,
)
from lichen.apps.social.pages.welcome import (
    leave_welcome,
    name_oneself,
    show_welcome,
    watch_welcome,
)
from lichen.apps.social.pages.writing import react, save_draft, show_write, write
from lichen.node.page import Page, Watch

PAGES: tuple[Page, ...] = (
    Page("/", show_home),
    Page("/thread/{message}", show_thread),
    Page("/channel/{channel:path}", show_channel),
    Page("/message/{message}", show_message),
    Page("/message/{message}/react", react, "POST"),
    Page("/write", show_write),
    Page("/write", write, "POST"),
    Page("/draft", save_draft, "POST"),
    Page("/people", show_people),
    Page("/people/{feed}", show_profile),
    Page("/people/{feed}/relate", relate, "POST"),
    Page("/people/{feed}/edit", show_edit),
    Page("/people/{feed}/edit", save_profile, "POST"),
    Page("/search", search),
    Page("/welcome", show_welcome),
    Page("/welcome", leave_welcome, "POST"),
    Page("/welcome/name", name_oneself, "POST"),
)
WATCHES: tuple[Watch, ...] = (
    Watch("social.fresh", watch_fresh),
    Watch("social.near", watch_near),
    Watch("social.replies", watch_replies),
    Watch("social.unchecked", watch_unchecked),
    Watch("social.welcome", watch_welcome),
)
