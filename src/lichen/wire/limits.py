"""How much of everything a remote peer may ask of one connection. Name, unit, value, reason."""

FRAME_BYTES_MAX = 4 * 1024 * 1024
"""One muxrpc frame: the first notes of a pub with 70,000 feeds still fit, 4 GiB do not."""

ARGS_BYTES_MAX = 1024 * 1024
"""Arguments of one call: a batch to publish over the local socket is the largest honest one."""

EXACT_BYTES_MAX = 64 * 1024
"""A request that only the exact and slow reader takes: a message is at most a few of these."""

MALFORMED_CALLS_MAX = 1_000
"""Calls of one connection that could not be read: each is answered; no honest peer makes many."""

NAME_PARTS_MAX = 8
"""Parts of a method's name: manifests nest two or three deep."""

NAME_CHARS_MAX = 256
"""Characters of a method's name, all parts together: it is quoted in the refusal."""

ERROR_CHARS_MAX = 1024
"""Characters kept of a remote error's message: it may be shown and logged."""

ERROR_DETAILS_BYTES_MAX = 16_384
"""Bytes kept of what an error says to programs; longer details are passed over."""

CALLS_STRANGER_MAX = 8
"""Calls that a stranger may have open at once: a JavaScript peer opens five on connecting. For
others the brain allows more, through ``Connection.calls_max``: legacy peers open one per feed."""

CALLS_LOCAL_MAX = 1024
"""Calls that a program of the same user may have open at once."""

CALLS_ENDING_MAX = 4096
"""Remote streams ended by us whose end has not come back: a legacy peer that asks for thousands
of feeds at once is refused most of them before it can answer the first refusal."""

EARLY_BYTES_MAX = 64 * 1024
"""Bytes kept from a client that does not wait to be accepted: an honest client sends none."""

ANNOUNCEMENT_BYTES_MAX = 1472
"""One announcement on the local network: what an Ethernet frame holds; real ones are below 400."""
