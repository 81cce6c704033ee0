"""The social app as the peer takes it: its views, its methods, its pages."""

from lichen.apps.social.listing import PEOPLE_METHODS
from lichen.apps.social.pages import PAGES, WATCHES
from lichen.apps.social.search.service import SEARCH_METHODS
from lichen.apps.social.search.view import SearchView
from lichen.apps.social.service import METHODS
from lichen.apps.social.view import ChannelsView, NamesView, ThreadsView, VotesView
from lichen.node.app import App

SOCIAL_APP = App(
    name="social",
    views=(ThreadsView(), ChannelsView(), NamesView(), VotesView(), SearchView()),
    methods={**METHODS, **PEOPLE_METHODS, **SEARCH_METHODS},
    pages=PAGES,
    watches=WATCHES,
)
