"""Views: tables folded from the log, thrown away and made again whenever that is simpler."""

from lichen.store.views.base import base_views
from lichen.store.views.rows import EarlyView, FoldRow, TypedView, View

__all__ = ["EarlyView", "FoldRow", "TypedView", "View", "base_views"]
