"""Secrets that can be told by their form, taken out of what is written or shown.

Of a key in PEM form the lines after its first are known by it only, so who masks line by line keeps
a `Lines`. Known values are masked by `ccs.host.environ`, which knows them. Pure, and cheap where
there is nothing to mask: it is done for every line of a log.
"""

from __future__ import annotations

from ccs.text import MASK

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable

_BEGIN, _END = b"-----BEGIN", b"-----END"
_KINDS = (
    rb"sk-ant-[A-Za-z0-9]+-[A-Za-z0-9_-]{8,}",
    rb"gh[pousr]_[A-Za-z0-9]{16,}",
    rb"github_pat_[A-Za-z0-9_]{16,}",
    rb"A(?:KI|SI)A[0-9A-Z]{16}",
    rb"xox[abeoprs]-[A-Za-z0-9-]{8,}",
    # In JSON its line breaks are \n, and \\n where a tool printed JSON into it; in a URL %0A.
    rb"-----BEGIN(?:[A-Z0-9 +]|%20)*PRIVATE(?:[ +]|%20)KEY(?:(?:[ +]|%20)BLOCK)?-----"
    rb"(?:(?!-----END)[A-Za-z0-9+/=\\%\s:,.-])*"
    rb"(?:-----END(?:[A-Z0-9 +]|%20)*-----)?",
)
_STARTS = (
    *(b"sk-ant-", b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"),
    *(b"AKIA", b"ASIA", b"xox", _BEGIN),
)
# Below it the expressions are faster than a look for each beginning.
_SHORT = 120
# In lines: RSA with 16384 bits. What has no end by then is no key.
_LONGEST_KEY = 200
_compiled: list[re.Pattern[bytes]] = []


def redact(content: bytes) -> bytes:
    if len(content) > _SHORT and not any(start in content for start in _STARTS):
        return content
    if not _compiled:
        import re

        _compiled.append(re.compile(b"|".join(_KINDS)))
    return _compiled[0].sub(MASK.encode(), content)


def redacted(text: str) -> str:
    content = text.encode("utf-8", "surrogatepass")
    found = redact(content)
    return text if found is content else found.decode("utf-8", "surrogatepass")


class Lines:
    """What comes line by line, with keys that go over several of them. `mask` masks one line."""

    def __init__(self, mask: Callable[[bytes], bytes] = redact) -> None:
        self._mask = mask
        self._left = 0

    def redact(self, line: bytes) -> bytes:
        before = b""
        if self._left:
            self._left -= 1
            _, end, rest = line.partition(_END)
            if not end:
                return MASK.encode()
            self._left = 0
            # Behind the dashes that the key's last line ends with.
            before, line = MASK.encode(), rest.partition(b"-----")[2]
        last = line[line.rfind(_BEGIN) :] if _BEGIN in line else b""
        if b"PRIVATE KEY" in last and _END not in last:
            self._left = _LONGEST_KEY
        return before + self._mask(line)
