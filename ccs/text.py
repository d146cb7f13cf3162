"""Text made safe to show: what comes from a client, a model or a file may carry terminal commands.

Nothing returned here can move a cursor, colour a terminal, reorder a line or fail to encode. Lean:
the supervisor loads it, so there is no `re`.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# Shown in place of a secret.
MASK = "********"  # pragma: allowlist secret
_KEPT = "\t\n"
_CONTROLS = [*range(0x20), *range(0x7F, 0xA0)]
# They reorder what stands around them, so a shown command could differ from the one that ran.
_BIDI = [0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
_REMOVED = dict.fromkeys(code for code in (*_CONTROLS, *_BIDI) if chr(code) not in _KEPT)

_STRING_OPENERS = "]PX^_"


def plain(text: str) -> str:
    """`text` without escape sequences, control characters (but tab and newline), bidi controls."""
    if "\x1b" in text:
        text = _without_escapes(text)
    if not text.isascii():
        # JSON may spell half a surrogate pair, which no file could take.
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text.translate(_REMOVED)


def shorten(text: str, width: int) -> str:
    """`text` on one plain line of at most `width` characters, the cut marked with an ellipsis."""
    # Far more than fits is looked at, so that runs of blanks may collapse, yet never megabytes.
    head = text[: 16 * max(width, 0) + 256]
    line = " ".join(plain(head).split())
    if len(line) <= width and len(head) == len(text):
        return line
    return line[: width - 1].rstrip() + "…" if width > 0 else ""


def similar(word: str, known: Iterable[str]) -> list[str]:
    """Up to three of the known words that were probably meant, the likeliest first."""
    import difflib  # only where something went wrong

    spelled = {one.casefold(): one for one in known}
    found = difflib.get_close_matches(word.casefold()[:200], spelled)
    return [spelled[one] for one in found]


def _without_escapes(text: str) -> str:
    first, *parts = text.split("\x1b")
    kept = [first]
    for part, following in zip(parts, [*parts[1:], ""], strict=True):
        kept.append(_after_sequence(part, ended=following.startswith("\\")))
    return "".join(kept)


def _after_sequence(part: str, *, ended: bool) -> str:
    """What is left of `part`, which followed an ESC; `ended`: a string terminator follows it."""
    if part.startswith("["):
        return _after_final_byte(part, 1)
    if part[:1] in _STRING_OPENERS and part:
        _, bell, rest = part.partition("\a")
        # A string that nobody ends must not swallow the words after it.
        return rest if bell else "" if ended else part[1:]
    end = 0
    while end < len(part) and " " <= part[end] <= "/":
        end += 1
    return part[end + 1 :]


def _after_final_byte(part: str, start: int) -> str:
    for end in range(start, len(part)):
        if "@" <= part[end] <= "~":
            return part[end + 1 :]
        if not " " <= part[end] <= "?":
            return part[end:]
    return ""
