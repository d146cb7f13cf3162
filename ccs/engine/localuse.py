"""What this machine itself can tell of use and limits: the client's transcripts, and ccusage.

Second to what the server says, and blind to other machines. Whatever fails here is a note and
hides nothing of the rest.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ccs import instant
from ccs.claude import transcripts
from ccs.engine.accounts import account_of
from ccs.errors import CcsError
from ccs.host import asking, environ
from ccs.model.profile import Profile
from ccs.store import atomic
from ccs.store.home import Home
from ccs.usage import answers, estimate, ledger, windows
from ccs.usage.ledger import DEFAULT
from ccs.usage.window import windows_of
from ccs.usage.windows import Reading

if TYPE_CHECKING:
    from ccs.usage.ledger import Account

Learnt = tuple[str, str, Reading]  # account, window, what is said of it

# A minute with use in it is told by its beginning, and a reset may come within it.
_MINUTE = timedelta(minutes=1)
_CCUSAGE = ("blocks", "--active", "--json", "--offline")
_CCUSAGE_SECONDS = 10.0
_Limits = list[tuple[str, dict[str, Any]]]


class Transcripts:
    """What was added to them since they were last kept in mind. `notes`: what could not be read."""

    def __init__(
        self,
        home: Home,
        profiles: Sequence[Profile],
        environment: Mapping[str, str],
        now: datetime,
    ) -> None:
        owners = _owners(profiles, environment)
        reading = transcripts.read([*owners], _state(home), now)
        self.notes = reading.problems
        self._now = now
        self._path = home.transcripts
        self._state = reading.state
        self._limits: _Limits = []
        self._activity: dict[str, dict[str, int]] = {}
        for directory, account in reading.accounts.items():
            for owner in owners[directory]:
                self._limits += [(owner, limit) for limit in account.limits]
                used = self._activity.setdefault(owner, {})
                for minute, tokens in account.activity.items():
                    used[minute] = used.get(minute, 0) + tokens

    def learnt(self, known: Mapping[str, Account]) -> Iterator[Learnt]:
        for owner, limit in self._limits:
            for name, reading in _refusals(limit, self._now):
                yield owner, name, reading
        for owner, used in self._activity.items():
            account = known.get(owner) or ledger.empty(owner)
            if guess := _estimate(account, used, self._now):
                yield owner, "five_hour", guess

    def keep_in_mind(self) -> str | None:
        """Called once the ledger was told, so that what is lost in between is read once more.

        What went wrong, in words.
        """
        try:
            atomic.write(self._path, json.dumps(self._state).encode(), durable=False)
        except (CcsError, OSError) as error:
            return f"how far the transcripts were read could not be kept: {error}"
        return None


def ask_ccusage(
    home: Home, environment: Mapping[str, str], now: datetime
) -> tuple[list[Learnt], str | None]:
    """A second opinion on the default account where ccusage is installed; what went wrong."""
    path = shutil.which("ccusage", path=environment.get("PATH"))
    if path is None:
        return [], None
    variables = environ.for_others(environment)
    try:
        answer = asking.ask([path, *_CCUSAGE], b"", home.path, variables, _CCUSAGE_SECONDS)
    except (OSError, ValueError) as error:
        return [], f"ccusage could not be asked: {error}"
    guess = answers.block(answer.out, now)
    if guess is None:
        return [], f"ccusage told nothing: {answer.fault}" if answer.fault else None
    return [(DEFAULT, "five_hour", guess)], None


def _owners(profiles: Sequence[Profile], environment: Mapping[str, str]) -> dict[str, list[str]]:
    """The client's directories, and whose windows their transcripts tell of."""
    own = map(os.path.realpath, transcripts.config_dirs(environment))
    owners = {directory: [DEFAULT] for directory in own}
    for profile in profiles:
        if profile.config_dir:
            told = {"CLAUDE_CONFIG_DIR": os.path.expanduser(profile.config_dir)}
            # However it is spelt: what one directory tells counts once.
            for directory in map(os.path.realpath, transcripts.config_dirs(told)):
                names = owners.setdefault(directory, [])
                if account_of(profile) not in names:
                    names.append(account_of(profile))
    return owners


def _state(home: Home) -> dict[str, Any]:
    """How far the transcripts were read; from their beginnings again if nobody knows."""
    try:
        kept = atomic.read(home.transcripts)
        state = json.loads(kept[0]) if kept else {}
    except (CcsError, OSError, ValueError, RecursionError):
        return {}
    return state if isinstance(state, dict) else {}


def _refusals(limit: dict[str, Any], now: datetime) -> Iterator[tuple[str, Reading]]:
    """What a session was told when it met a limit, as of then, if that still means anything."""
    seen, facts = instant.parse(limit["seen_at"]), limit["facts"]
    own, status = facts["rateLimitType"], facts["status"]
    told = dict(facts["unifiedWindows"])
    if own not in {None, "overage", *told}:
        told[own] = {"utilization": None, "resetsAt": None, "status": None}
    for name, window in told.items():
        said = window["status"] or (status if name == own else None)
        used = windows.share(window["utilization"])
        if used is None and said == "rejected":
            used = 1.0
        resets_at = windows.reset(window["resetsAt"], name, seen)
        found = Reading("transcript", seen, said, used, resets_at)
        if found.ends(name) > now:
            yield name, found


def _estimate(account: Account, activity: Mapping[str, int], now: datetime) -> Reading | None:
    """When the window open now will end, if each begins with the first use after a reset."""
    window = windows_of(account, now).get("five_hour")
    reset = window.newest_reset if window else None
    since = {
        m: n for m, n in activity.items() if reset is None or instant.parse(m) > reset - _MINUTE
    }
    start = estimate.window_start(since, now, windows.FIVE_HOURS)
    if start is None:
        return None
    return Reading("estimate", now, None, None, start + windows.FIVE_HOURS)
