"""Other people's text on one's own terminal: made harmless, made short, measured.

A message may hold escape sequences that repaint the screen, and direction marks that make a text
read otherwise than it is. Nothing of either reaches the terminal. Rules: ECMA-48 control sequences
and C0/C1 controls are removed; so are Unicode's bidirectional controls, tag characters, invisible
separators and lone surrogates. Joiners that scripts and emoji need are kept.
"""

import re
import unicodedata

KEY_FRAGMENT_CHARS = 6
ELLIPSIS = "…"

# CSI; then strings (OSC, DCS, SOS, PM, APC) up to their end; then any other escape.
_ESCAPE_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
)
_LINE_BREAK = re.compile("\r\n|[\r\n\v\f\x1c\x1d\x1e\x85\u2028\u2029]")
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u061c\u115f\u1160\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_SURROGATE = re.compile("[\ud800-\udfff]")
_SPACES = re.compile(r"\s+")


def clean_block(text: str) -> str:
    """Return a text of several lines that can be printed without harm."""
    text = _ESCAPE_SEQUENCE.sub("", text)
    text = _LINE_BREAK.sub("\n", text).replace("\t", "    ")
    return _SURROGATE.sub("\ufffd", _INVISIBLE.sub("", text))


def clean_line(text: str, cells_max: int = 0) -> str:
    """Return a text as one harmless line, cut to ``cells_max`` columns unless that is 0."""
    line = _SPACES.sub(" ", clean_block(text)).strip()
    return cut(line, cells_max) if cells_max else line


def cut(line: str, cells_max: int) -> str:
    """Cut a line to so many columns, the last of them an ellipsis if anything was cut."""
    used = 0
    kept = 0
    for place, char in enumerate(line):
        if used <= cells_max - 1:
            kept = place
        used += cell_width(char)
        if used > cells_max:
            return line[:kept].rstrip() + ELLIPSIS
    return line


def cell_width(char: str) -> int:
    """Return how many columns one character takes."""
    if unicodedata.combining(char) or unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def text_width(text: str) -> int:
    """Return how many columns a line takes."""
    return len(text) if text.isascii() else sum(map(cell_width, text))


def short_id(ref: str) -> str:
    """Return an id as people see it: the sigil and a fragment of the key."""
    clean = clean_line(ref)
    if len(clean) <= KEY_FRAGMENT_CHARS + 2:
        return clean
    return clean[: KEY_FRAGMENT_CHARS + 1] + ELLIPSIS


def short_name(ref: str, name: str | None) -> str:
    """Return a name with the fragment of the key that it stands for: names can be given twice."""
    clean = clean_line(name, 40) if name else ""
    return f"{clean} ({short_id(ref)})" if clean else short_id(ref)
