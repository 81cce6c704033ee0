"""Whose program is at the other end of a loopback connection.

Everybody on a machine can connect to 127.0.0.1, and a cookie, once stolen, works for anyone. Where
the system tells who owns a socket (Linux: /proc/net/tcp, and tcp6 for programs that write the
address as one of IPv6), connections of other users are cut off whatever they bring, and so are
those that no program holds any more. Elsewhere the session alone is the guard.
"""

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

TABLES = Path("/proc/net")
ROOT = 0
LOOKS = 2
"""A line may be missed in a table that changes while it is read, but hardly twice."""

End = tuple[str, int]
"""An IPv4 address and a port."""


def is_own(client: End, server: End, tables: Path = TABLES) -> bool:
    """Tell whether a connection comes from this user, or from the machine's own administrator.

    True where the system does not tell.
    """
    try:
        return any(find_owner(client, server, tables) in {os.getuid(), ROOT} for _ in range(LOOKS))
    except (OSError, ValueError):
        return True


def find_owner(client: End, server: End, tables: Path) -> int | None:
    """Return the user id of the program at the client's end; None: no program has it.

    Raises OSError where the system does not tell.
    """
    for lines, ends in (
        (_read_lines(tables / "tcp"), [_encode_end(client), _encode_end(server)]),
        (_read_lines_if_any(tables / "tcp6"), [_encode_mapped(client), _encode_mapped(server)]),
    ):
        for line in lines:
            columns = line.split()
            # A socket that was closed before all was sent has no inode, and seems to be root's.
            if columns[1:3] == ends and columns[9] != "0":
                return int(columns[7])
    return None


def _read_lines(table: Path) -> list[str]:
    return table.read_text(encoding="ascii").splitlines()


def _read_lines_if_any(table: Path) -> Iterator[str]:
    if table.exists():
        yield from _read_lines(table)


def _encode_end(end: End) -> str:
    """Write an IPv4 address and port as /proc/net/tcp does: the address as a native integer."""
    (number,) = struct.unpack("=I", socket.inet_aton(end[0]))
    return f"{number:08X}:{end[1]:04X}"


def _encode_mapped(end: End) -> str:
    """Write the same as an address of IPv6, as /proc/net/tcp6 does: four native integers."""
    numbers = struct.unpack("=4I", socket.inet_pton(socket.AF_INET6, f"::ffff:{end[0]}"))
    return "".join(f"{number:08X}" for number in numbers) + f":{end[1]:04X}"
