"""A secret as programs print it, so that each form of it can be masked. Lean."""

from __future__ import annotations

import binascii
import json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Shorter values ("0", "true") are no secrets, and masking them would eat the logs.
_SHORTEST_SECRET = 6
# In bytes before they are encoded: 76 and 64 letters.
_BASE64_LINES = (57, 48)
_URL_SAFE = bytes.maketrans(b"+/", b"-_")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_AS_GO_HAS_IT = str.maketrans({one: f"\\u{ord(one):04x}" for one in "<>&"})


def strings_within(value: str) -> list[str]:
    """What a secret that is a JSON document holds: a tool will show the part and not the whole."""
    if not value.startswith(("{", "[")):
        return []
    try:
        left = [json.loads(value)]
    except (ValueError, RecursionError):
        return []
    found = []
    while left:
        part = left.pop()
        if isinstance(part, str):
            found.append(part)
        elif isinstance(part, (dict, list)):
            left += part.values() if isinstance(part, dict) else part
    return found


def spellings(secrets: Iterable[str]) -> list[bytes]:
    """A secret, and each line of it, as it stands in plain text, inside JSON and inside JSON that
    a tool printed into the client's JSON, also as PHP and Go spell it, in a URL and in base64;
    longest first.
    """
    forms: set[bytes] = set()
    for part in {part for secret in secrets for part in (secret, *secret.splitlines())}:
        if len(part) < _SHORTEST_SECRET:
            continue
        for ascii_only in (True, False):
            python = json.dumps(part, ensure_ascii=ascii_only)[1:-1]
            for once in (part, python, python.replace("/", "\\/"), python.translate(_AS_GO_HAS_IT)):
                twice = (json.dumps(once, ensure_ascii=told)[1:-1] for told in (True, False))
                forms |= {form.encode("utf-8", "surrogatepass") for form in (once, *twice)}
        content = part.encode("utf-8", "surrogatepass")
        forms |= {*_in_url(content), *_in_base64(content), *_in_lines_of_base64(content)}
    return sorted(forms, key=len, reverse=True)


def _in_lines_of_base64(content: bytes) -> Iterator[bytes]:
    """As base64(1) and openssl(1) cut it, which the form of the whole would not be found in."""
    for width in _BASE64_LINES:
        for start in range(0, len(content) if len(content) > width else 0, width):
            piece = content[start : start + width]
            if len(piece) >= _SHORTEST_SECRET:
                yield binascii.b2a_base64(piece, newline=False)[: 8 * len(piece) // 6]


def _in_url(content: bytes) -> Iterator[bytes]:
    for form in ("%%%02X", "%%%02x"):
        quoted = [chr(one) if one in _UNRESERVED else form % one for one in content]
        for slash in ("/", form % ord("/")):
            for blank in ("+", "%20"):
                held = {form % ord("/"): slash, form % ord(" "): blank}
                yield "".join(held.get(one, one) for one in quoted).encode("ascii")


def _in_base64(content: bytes) -> Iterator[bytes]:
    """Whatever stands before and after it in what was encoded: the letters it alone decides."""
    for before in range(3):
        bits = 8 * before, 8 * (before + len(content))
        whole = binascii.b2a_base64(b"\0" * before + content, newline=False)
        form = whole[-(-bits[0] // 6) : bits[1] // 6]
        yield form
        yield form.translate(_URL_SAFE)
        yield form.replace(b"/", b"\\/")  # as some write it in JSON
