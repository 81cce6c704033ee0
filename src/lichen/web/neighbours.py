"""Whose program is at the other end of a loopback connection.

Everybody on a machine can connect to 127.0.0.1, and a cookie, once stolen, works for anyone. Where
the system tells who owns a socket (Linux: /proc/net/tcp), connections of other users are cut off
whatever they bring. Elsewhere the session alone is the guard.
"""

import os
import socket
import struct
from pathlib import Path

SOCKETS = Path("/proc/net/tcp")
ROOT = 0

End = tuple[str, int]
"""An IPv4 address and a port."""


def is_own(client: End, server: End, table: Path = SOCKETS) -> bool:
    """Tell whether a connection comes from this user, or from the machine's own administrator.

    True where the system does not tell.
    """
    owner = find_owner(client, server, table)
    return owner is None or owner in {os.getuid(), ROOT}


def find_owner(client: End, server: End, table: Path) -> int | None:
    """Return the user id of the program at the client's end; None: the system does not tell."""
    try:
        ends = [_encode_end(client), _encode_end(server)]
        lines = table.read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):
        return None
    for line in lines:
        columns = line.split()
        if columns[1:3] == ends:
            return int(columns[7])
    return None


def _encode_end(end: End) -> str:
    """Write an IPv4 address and port as /proc/net/tcp does: the address as a native integer."""
    (number,) = struct.unpack("=I", socket.inet_aton(end[0]))
    return f"{number:08X}:{end[1]:04X}"
