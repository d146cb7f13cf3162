"""Carrying a message out of this machine, or onto its desktop.

Every way has a time limit, and none puts a secret on a command line or data into a script's text.
A failure is words for a person; who calls takes the channel's secrets out of them.
"""

from __future__ import annotations

import html
import http.client
import os
import shutil
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from typing import IO, TypeVar

from ccs.errors import CcsError, MissingDependency
from ccs.host import asking, environ
from ccs.text import shorten

T = TypeVar("T")
WEB_SECONDS = 10.0
_DESKTOP_SECONDS = 20.0
_MOST_READ = 4096
# Of the answers that blame the question: too slow, too early, too many.
_PASSING = (408, 425, 429)
# `run argv` gets the words behind the script as data. The title begins with a letter, so none of
# them is taken for an option.
_OSASCRIPT = (
    "on run argv",
    "display notification (item 2 of argv) with title (item 1 of argv)",
    "end run",
)
_POWERSHELL = """
Add-Type -AssemblyName System.Windows.Forms, System.Drawing
$shown = New-Object System.Windows.Forms.NotifyIcon
$shown.Icon = [System.Drawing.SystemIcons]::Information
$shown.Visible = $true
$shown.ShowBalloonTip(10000, $env:CCS_TITLE, $env:CCS_TEXT, 'Info')
Start-Sleep -Seconds 5
$shown.Dispose()
"""


class NotDelivered(CcsError):
    """`silent`: nobody answered at all, so the next message would fare no better now. `refused`:
    the answer would be the same another time. The message holds what was answered at any length:
    cut before its secrets are out, it would keep half of one.
    """

    code = "not_delivered"

    def __init__(
        self, message: str, hint: str = "", silent: bool = False, refused: bool = False
    ) -> None:
        super().__init__(message, hint)
        self.silent = silent
        self.refused = refused


def post(url: str, body: bytes, headers: Mapping[str, str], seconds: float = WEB_SECONDS) -> str:
    """What was answered, in words. Raises NotDelivered.

    Redirects are not followed: they would turn a POST into a GET, or carry a token elsewhere.
    """
    if not url.startswith(("http://", "https://")):
        raise NotDelivered("only http and https are spoken")
    asked = urllib.request.Request(url, body, dict(headers), method="POST")
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
    ):
        opener.add_handler(handler)

    def exchange() -> tuple[int, bytes]:
        with opener.open(asked, timeout=seconds) as answer:
            return answer.status, answer.read(_MOST_READ)

    try:
        status, content = _within(seconds, exchange)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NotDelivered(_reason(error), silent=True) from None
    words = _on_a_line(content)
    if 200 <= status < 300:
        return f"answered {status}"
    if 300 <= status < 400:
        raise NotDelivered(
            f"answered {status}, which leads elsewhere", "give the channel the final address"
        )
    refused = 400 <= status < 500 and status not in _PASSING
    told = f"answered {status}: {words}" if words else f"answered {status}"
    raise NotDelivered(told, refused=refused)


def command(
    wanted: str | Sequence[str],
    told: bytes,
    variables: Mapping[str, str],
    environment: Mapping[str, str],
    seconds: float,
) -> str:
    """The event on its standard input and in its environment. Raises NotDelivered."""
    argv = _shell(wanted) if isinstance(wanted, str) else [*wanted]
    argv[0] = os.path.expanduser(argv[0])
    with tempfile.TemporaryFile() as question:
        question.write(told)
        question.seek(0)
        return _asked(argv, question, {**environ.for_others(environment), **variables}, seconds)


def desktop(
    title: str, text: str, environment: Mapping[str, str], platform: str = sys.platform
) -> str:
    """Raises NotDelivered, MissingDependency."""
    known = environ.for_others(environment)
    known |= {"CCS_TITLE": title, "CCS_TEXT": text}
    if platform == "darwin":
        script = [word for line in _OSASCRIPT for word in ("-e", line)]
        argv = [_found("osascript", known), *script, title, text]
    elif platform == "win32":
        argv = [_found("powershell", known), "-NoProfile", "-NonInteractive"]
        argv += ["-Command", _POWERSHELL]
    else:
        bus = f"/run/user/{os.getuid()}/bus"
        if "DBUS_SESSION_BUS_ADDRESS" not in known and os.path.exists(bus):
            known["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={bus}"  # cron does not set it
        argv = [_found("notify-send", known), "--app-name=ccs", "--"]
        argv += [title, html.escape(text, quote=False)]  # the body may hold markup, the title not
    return _asked(argv, b"", known, _DESKTOP_SECONDS)


def by_apprise(url: str, title: str, text: str) -> str:
    """Through the extra. Raises NotDelivered, MissingDependency."""
    try:
        import apprise as library
    except ImportError:
        raise MissingDependency(
            "a channel of kind apprise needs the package apprise",
            "pipx inject claude-code-scheduler apprise, or pip install "
            "'claude-code-scheduler[notify]'",
        ) from None

    def send() -> tuple[bool, bool]:
        sender = library.Apprise()
        known = bool(sender.add(url))
        return known, known and bool(sender.notify(body=text or title, title=title))

    try:
        known, sent = _within(3 * WEB_SECONDS, send)
    except Exception as error:
        # A library with a hundred services may raise anything; none of it may stop the others.
        raise NotDelivered(f"apprise: {type(error).__name__}", silent=True) from None
    if not known:
        raise NotDelivered("apprise does not know this kind of URL", "see apprise's own list")
    if not sent:
        raise NotDelivered("apprise could not deliver it", silent=True)
    return "sent by apprise"


def _asked(
    argv: Sequence[str],
    question: bytes | IO[bytes],
    variables: Mapping[str, str],
    seconds: float,
) -> str:
    home = os.path.expanduser("~")
    directory = home if os.path.isdir(home) else os.path.abspath(os.sep)
    name = os.path.basename(argv[0])
    try:
        answer = asking.ask(argv, question, directory, variables, seconds)
    except (OSError, ValueError) as error:
        raise NotDelivered(f"{name}: {_reason(error)}") from None
    if answer.fault:
        said = _on_a_line(answer.err or answer.out)
        raise NotDelivered(f"{name}: {answer.fault}" + (f": {said}" if said else ""))
    return f"{name} ended well"


def _on_a_line(said: bytes) -> str:
    return shorten(said.decode("utf-8", "replace"), len(said))


def _shell(line: str) -> list[str]:
    if os.name == "nt":
        return [os.environ.get("COMSPEC", "cmd.exe"), "/c", line]
    return ["/bin/sh", "-c", line]


def _found(program: str, variables: Mapping[str, str]) -> str:
    path = shutil.which(program, path=variables.get("PATH", os.defpath))
    if path is None:
        raise MissingDependency(f"{program} was not found", "install it, or use another channel")
    return path


def _within(seconds: float, work: Callable[[], T]) -> T:
    """The whole of it within that time: a look-up of a name and a server that drips its answer
    know no time-out. What is left of it ends with this process."""
    outcome: list[T] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(work())
        except BaseException as error:
            failure.append(error)  # raised where somebody waits for it

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if outcome:
        return outcome[0]
    raise failure[0] if failure else TimeoutError(f"no answer within {seconds:g} s")


def _reason(error: Exception) -> str:
    """Without the address, which some errors hold."""
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return str(cause) or "no answer in time"
    if isinstance(cause, OSError):
        return cause.strerror or type(cause).__name__
    return type(cause).__name__ if isinstance(cause, Exception) else shorten(str(cause), 100)
