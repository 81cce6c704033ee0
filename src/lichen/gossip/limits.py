"""The bounds of the brain: each has a unit in its name and one sentence why it is what it is.

The wire room has limits of its own for frames and calls; these are about what peers agree on.
"""

# The replication set.

GRAPH_DEBOUNCE_S = 0.15
"""Follows arrive in bursts while feeds are fetched; the JavaScript peers wait as long."""

HOPS_LIMIT = 10
"""A person's setting beyond this means "everybody" and is cut to it."""

# Epidemic broadcast trees.

STALL_S = 3.0
"""A peer that promised messages and sent none for so long loses the feed to another peer."""

FEED_STALL_S = 20.0
"""The same for one feed while the peer sends other feeds: it may only be waiting for its turn."""

BROKEN_PROMISES_MAX = 3
"""A peer that broke its word on a feed so often is asked for it only when nobody else can be."""

LIAR_RETRY_S = 60.0
"""How long such a peer is left alone before it is asked once more."""

RESYNC_S_MIN = 1.0
"""Between two notes that ask for a feed anew after a gap, so that a peer cannot make us chatter."""

UNKNOWN_FEEDS_MAX = 5_000
"""Feeds a peer may mention that we do not replicate; more of them are not remembered."""

NOTES_PER_FRAME_MAX = 2_000
"""About 130 kB of JSON: every peer's frame limit allows it, and it is written at one go."""

NOTE_BYTES_MAX = 4 * 1024 * 1024
"""A longer object of notes is not read: it would name some 60,000 feeds in one frame."""

EBT_ANSWER_S_MAX = 15.0
"""Without the other's first notes after so long, feeds are asked for one by one instead."""

EBT_SESSIONS_MAX = 20
"""Times a peer may begin ebt.replicate anew on one connection: each one costs a whole clock."""

EBT_RETRY_S = 10.0
"""An ended ebt.replicate call of ours is opened again after so long."""

EBT_RETRIES_MAX = 5
"""And no more often than this on one connection: the remote peer seems not to like it."""

SAVE_CLOCK_S = 60.0
"""How often a peer's clock is written down during a session: losing it costs only bandwidth."""

# Invalid messages.

FAULTS_MAX = 10
"""Feeds with invalid messages on one connection, after which nothing more is taken from it."""

MALFORMED_MAX = 100
"""Items on one connection that are neither message nor notes, after which it is closed."""

# The way in and the way out.

PENDING_MESSAGES_HIGH = 4_000
"""Messages of one connection waiting for the store; above it nothing is read from the peer. With
half as many the store ran dry between two of its steps: a first sync took a tenth longer."""

PENDING_MESSAGES_LOW = 2_500
"""Reading goes on below this."""

PENDING_BYTES_HIGH = 4 * 1024 * 1024
"""Their size: 4,000 of the longest messages would be 96 MB; above it nothing is read either."""

INGEST_BATCH_MAX = 1_000
"""Messages in one ``Ingest``: more would hold up the other peers' messages in the store."""

INGEST_RETRY_S = 10.0
"""After a failed write (a full disk) nothing is asked for anew for so long."""

MESSAGES_RUN_MAX = 200
"""Messages in one ``SendMessages``: between two runs of a long feed, news get their turn."""

QUEUED_BYTES_LOW = 128 * 1024
"""Below this a pipe has room: the next run of messages may follow."""

QUEUED_BYTES_HIGH = 512 * 1024
"""Above this even notes wait (they are merged meanwhile, so waiting costs no memory)."""

DRAIN_S_MAX = 180.0
"""A peer that reads less than a run of messages in so long holds memory for nothing."""

# createHistoryStream.

HISTORY_ASKED_MAX = 256
"""Streams we hold open at one peer; of these an eighth goes round among the feeds left over."""

HISTORY_ROUND_S = 60.0
"""Pause before a feed whose stream has ended is asked for again."""

HISTORY_DOUBLINGS_MAX = 6
"""How often that pause doubles for a feed that the peer does not serve: up to about an hour."""

HISTORY_SERVED_FRIEND_MAX = 256
"""Streams catching up at once for a peer that we replicate; further ones wait their turn."""

HISTORY_SERVED_STRANGER_MAX = 8
"""The same for a stranger."""

HISTORY_KEPT_FRIEND_MAX = 5_000
"""Streams open in all (catching up, live and waiting): old peers open one per feed."""

HISTORY_KEPT_STRANGER_MAX = 1_000
"""The same for a stranger."""

# Calls and connections.

CALLS_BURST_MAX = 6_000
"""Calls a peer may make at one go: an old peer asks for every feed it wants."""

CALLS_PER_S_MAX = 100.0
"""And how many more per second; a peer that calls faster is closed."""

PING_S = 300.0
"""The ball of gossip.ping is held so long; the JavaScript peers do the same."""

PING_S_MIN = 10.0
"""A caller may ask for a shorter time, but not shorter than this."""

PING_S_MAX = 1_800.0
"""Nor for a longer one than this."""

PING_ANSWER_S_MIN = 1.0
"""Pings that come faster than this are not answered."""

IDLE_S_MAX = 600.0
"""Nothing at all from a peer for so long: the connection is dead (the JavaScript timeout)."""

CONNECTIONS_MAX = 128
"""Connections in all; further callers are turned away in the handshake."""

SIMULTANEOUS_S = 5.0
"""Two peers that dialled each other within this time keep one connection by a fixed rule."""

# Dialling.

DIAL_S_MAX = 30.0
"""A dial that has neither connected nor failed by then counts as failed."""

DIALS_MAX = 8
"""Dials under way at once."""

BACKOFF_S_MIN = 1.0
"""Wait after a first failure; doubled with each further one."""

BACKOFF_S_MAX = 600.0
"""The longest wait."""

STEADY_S = 10.0
"""A connection that lasted so long was a success, and the failures before it are forgotten."""

ADDRESSES_MAX = 10_000
"""Addresses kept; further ones are not remembered by the brain."""

# Peers nearby.

STAGED_S_MAX = 10.0
"""A peer that was not announced for so long has left; peers announce themselves every 1 or 2 s."""

STAGED_PEERS_MAX = 200
"""Peers shown as nearby: more than a large room holds; of a flood of made-up ones no more count."""

STAGED_ADDRESSES_MAX = 4
"""Addresses of one of them: a machine has few interfaces, and anybody may announce wrong ones."""

# The own feed's recovery.

GUARD_PEERS_MIN = 2
"""Peers that must have been asked for the own feed before anything is published on it."""

GUARD_QUIET_S = 10.0
"""And nothing new may have come for the own feed for so long."""

GUARD_GONE_S = 24 * 3600.0
"""A peer that claims more of the own feed than came, and left, is waited for this long: an honest
one is back within a day as a rule, and a liar shall not forbid us to write for ever."""

CLOSE_REASONS_MAX = 200
"""Different reasons that are counted; peers and operating systems word some of them."""

OTHER_CALLS_MAX = 64
"""Calls besides createHistoryStream that a peer may have open: ebt, pings, and what it tries."""

# Blobs.

BLOB_BYTES_MAX = 5 * 1024 * 1024
"""A blob is smaller than this, as JavaScript peers want it; a longer one would not spread."""

BLOB_FRAME_BYTES = 64 * 1024
"""Bytes of a blob in one frame, as JavaScript peers send them."""

BLOB_RUN_BYTES = 2 * BLOB_FRAME_BYTES
"""Bytes in one ``ReadBlob``: messages and other blobs take their turn after it."""

SYMPATHY_HOPS_MAX = 3
"""A blob is looked for on behalf of others only this many hops away from who wants it."""

PUSH_PEERS_MIN = 3
"""So many peers that we replicate must have a pushed blob; then others can get it without us."""

PUSHES_MAX = 1_000
"""Blobs that are being pushed; the oldest gives way."""

WANTS_OWN_MAX = 1_000
"""Blobs wanted by the people here; the oldest is forgotten: it is wanted again when shown again."""

WANTS_FORWARDED_MAX = 500
"""Blobs looked for on behalf of one peer at once."""

FORWARDED_BYTES_MAX = 256 * 1024 * 1024
"""Size of the blobs fetched on behalf of one peer in one run: its friends cannot fill our disk."""

WANTS_REMEMBERED_FRIEND_MAX = 5_000
"""Wants of a peer that we replicate, remembered in order to tell it when the blob is here."""

WANTS_REMEMBERED_STRANGER_MAX = 100
"""The same for a stranger."""

WANTS_BYTES_MAX = 1024 * 1024
"""A longer object of wants is not read: it would name some 16,000 blobs in one frame."""

WANTS_PER_FRAME_MAX = 2_000
"""About 120 kB of JSON."""

WANT_CALLS_MAX = 20
"""Times a peer may call createWants on one connection: each one costs the whole set."""

BLOBS_PER_HAS_MAX = 1_000
"""Ids in one blobs.has or blobs.size."""

BLOBS_SERVED_FRIEND_MAX = 1_000
"""Blobs a peer may ask for before it has the first: JavaScript peers ask for all at once. They
are served one after the other."""

BLOBS_SERVED_STRANGER_MAX = 32
"""The same for a stranger."""

DOWNLOADS_MAX = 8
"""Blobs fetched at once, one from each peer: so many times ``BLOB_BYTES_MAX`` may wait for the
disk, of each peer one."""

DOWNLOAD_STALL_S = 20.0
"""A blob of which nothing came for so long is asked of another peer."""

DOWNLOAD_S_MAX = 600.0
"""A blob that is not here after so long is given up: some 9 kB/s for the longest."""

BLOB_LIES_MAX = 3
"""Blobs with wrong bytes on one connection, after which no blob is taken from it."""

BLOB_RETRY_S = 60.0
"""A peer that failed to give a blob, or a disk that failed to take one, is tried again later."""
