"""Limits of the running peer: name, unit, value, and why. Those of the protocol are in gossip."""

HANDSHAKE_S_MAX = 10.0  # the JavaScript peers give each step five seconds
DIAL_S_MAX = 15.0  # a host that does not answer is given up before a person loses patience
CLOSE_S_MAX = 2.0  # a peer that does not read its last words is cut off
HANDSHAKES_MAX = 64  # half-open connections of strangers at once; more are turned away
CONNECTIONS_MAX = 256  # open connections of any kind at once
WRITE_BYTES_HIGH = 128 * 1024  # a pipe with more waiting is full: never above the brain's own mark,
# or the brain would wait for a Drained that does not come
WRITE_BYTES_LOW = 64 * 1024  # and has room again from here down
QUEUED_BYTES_MAX = 16 << 20  # a peer that asks for more without reading is cut off
RUN_BYTES_MAX = 512 * 1024  # one reading of messages for one peer
SHORT_RUN = 8  # so many messages are read for a peer without a thread, to be quick
FOLD_S_MAX = 2.0  # after so long an answer is given from what the views hold already
LOCAL_STREAM_ITEMS = 100  # messages that a local stream reads at a time
NOTICES_WAITING_MAX = 1000  # a listener that falls further behind loses the oldest
NOTICES_PER_BATCH_MAX = 20  # single messages told of one batch; beyond that, only their number
LOCAL_CALLS_MAX = 1024  # open calls of one local program
IMPORT_BATCH = 4000  # messages decided and written at a time by an import: some 50 ms, 12 MB;
# with a hundred authors one signature in 40 is then checked as the newest of its run
IMPORT_BATCH_FIRST = 1000  # the first one is small, each next one up to twice as large as all
# before, so that writing soon begins
IMPORT_BLOCKS_AHEAD = 4  # blocks of lines that are read before they are needed: some 4 MB
LAN_ANNOUNCE_S = 2.0  # as often as the JavaScript peers: one unseen for 10 s counts as gone
DATAGRAMS_PER_S_MAX = 200  # announcements read in a second: a hundred peers say two each
DATAGRAMS_PER_SENDER_S_MAX = 20  # of these from one machine, so that one cannot drown the others
