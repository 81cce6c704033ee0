"""Limits of the web room: name, unit, value, and why."""

LINK_S_MAX = 60.0  # a one-time link lives so long: time enough for a slow browser to start
LINKS_MAX = 20  # unused links at once; the oldest gives way
SESSIONS_MAX = 30  # browsers that are let in at once; the one used longest ago gives way
SESSION_DAYS = 30  # a browser not used for so long has to be let in anew
FORM_BYTES_MAX = 1 << 20  # a post has 8 KiB; what is pasted by mistake still comes back whole
UPLOAD_BYTES_MAX = 5 << 20  # as large as a picture may be anywhere in the network
BODY_BYTES_MAX = UPLOAD_BYTES_MAX + FORM_BYTES_MAX  # a picture, and the words beside it
FORM_FIELDS_MAX = 100  # our largest form has a dozen
ONCE_MAX = 1_000  # forms remembered, so that one sent twice counts once
WATCHES_PER_PAGE_MAX = 8  # questions that one open page asks
PAGES_LIVE_MAX = 200  # pages that listen at once; more are told to come back later
LIVE_CALM_S_MIN = 0.05  # an open page asks anew no more often than this: nobody reads faster
LIVE_FLOOD_S_MIN = 1.0  # and than this while messages come in by the hundred
LIVE_FOLD_S_MAX = 5.0  # it asks of what the views hold when the newest is not in after so long
BEHIND_TOLD_MIN = 200  # messages not in the views yet; fewer are in before anybody reads of them
PING_S = 30.0  # so often a silent page is shown that the line is alive
SHUTDOWN_S_MAX = 2.0  # open pages get so long to take leave
