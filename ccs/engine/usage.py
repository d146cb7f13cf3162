"""What people do with usage windows: ask anew, and let an account go on.

Asking costs no tokens: the installed client is asked for what it shows by /usage, and this machine
for what it can tell. Whichever fails, the others still count. ccs reads no credentials and calls
no service itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ccs import instant
from ccs.engine import localuse
from ccs.engine.accounts import account_of
from ccs.engine.localuse import Learnt, Transcripts
from ccs.errors import CcsError, NotFound
from ccs.host import asking, client, environ
from ccs.model.profile import Profile
from ccs.model.settings import Settings
from ccs.store.home import Home
from ccs.store.store import Store
from ccs.text import shorten
from ccs.usage import answers, ledger
from ccs.usage.answers import NoUsage
from ccs.usage.ledger import DEFAULT
from ccs.usage.window import windows_of

if TYPE_CHECKING:
    from ccs.usage.ledger import Account

CLIENT_SECONDS = 20.0
# What is left of an account that was cleared tells nothing.
_TELLING = ("windows", "outage", "overage", "alarms")


@dataclass
class Refreshed:
    """`problem`: why the client told nothing, if it did not. `extra`: what it said of paid usage.

    `notes`: what else went wrong, in words.
    """

    account: str
    learnt: list[Learnt] = field(default_factory=list)
    problem: CcsError | None = None
    extra: dict[str, Any] | None = None
    notes: list[str] = field(default_factory=list)

    def record(self) -> dict[str, Any]:
        return {
            "account": self.account,
            "learnt": [{"account": a, "window": w, **one.record()} for a, w, one in self.learnt],
            "problem": self.problem and self.problem.message,
            "extra_usage": self.extra,
            "notes": self.notes,
        }


def refresh(
    store: Store,
    reference: str | None,
    environment: Mapping[str, str],
    now: datetime,
    seconds: float = CLIENT_SECONDS,
) -> Refreshed:
    """`reference`: whose login to ask for; without one the default profile's.

    Raises NotFound, Ambiguous, BrokenStore; and why the client told nothing, if nobody else did.
    """
    settings, profiles = store.settings(), store.profiles.all()
    wanted = reference or settings.default_profile
    profile = store.profiles.find(wanted) if wanted else None
    store.home.create()
    found = Refreshed(account_of(profile))
    try:
        told = _ask(store.home, profile, settings, environment, now, seconds)
    except CcsError as error:
        found.problem = error
    else:
        found.extra = told.extra
        found.learnt += [(found.account, name, one) for name, one in told.readings.items()]
    written = Transcripts(store.home, profiles, environment, now)
    opinion, trouble = localuse.ask_ccusage(store.home, environment, now)
    found.learnt += [*written.learnt(store.ledger.read()), *opinion]
    for account in sorted({account for account, _, _ in found.learnt}):
        store.ledger.update(account, lambda known: _take(known, found.learnt, now))
    found.notes += [*written.notes, *filter(None, (trouble, written.keep_in_mind()))]
    if found.problem and not found.learnt:
        raise found.problem
    return found


def clear(store: Store, account: str, now: datetime, everything: bool = False) -> list[str]:
    """Lets the account go on; what was in the way, in words. Raises NotFound, BrokenStore.

    `everything`: its windows are forgotten too.
    """
    if account not in known_accounts(store):
        raise NotFound(f"nothing is known of an account {account!r}", "ccs usage shows them all")
    cleared: list[str] = []

    def change(known: Account) -> bool:
        cleared[:] = _clear(known, now, everything)
        return True

    store.ledger.update(account, change)
    return cleared


def known_accounts(store: Store) -> list[str]:
    """The default one first, then by name. Profiles that cannot be read name none."""
    try:
        named = {account_of(one) for one in store.profiles.all()}
    except CcsError:
        named = set()
    told = {name for name, one in store.ledger.read().items() if any(map(one.get, _TELLING))}
    return [DEFAULT, *sorted((named | told) - {DEFAULT})]


def _ask(
    home: Home,
    profile: Profile | None,
    settings: Settings,
    environment: Mapping[str, str],
    now: datetime,
    seconds: float,
) -> answers.Usage:
    """Raises CcsError."""
    wanted = (profile and profile.claude_path) or settings.claude_path
    if settings.mock_mode or wanted == client.MOCK:
        raise NoUsage(
            "the stand-in client has no usage windows",
            "it is in place of the real one: see mock_mode and claude_path",
        )
    resolved = environ.resolve(profile.record() if profile else None, environment)
    argv = [*client.argv(wanted, resolved.variables), *answers.OPTIONS]
    try:
        answer = asking.ask(argv, answers.QUESTION, home.path, resolved.variables, seconds)
    except (OSError, ValueError) as error:
        raise NoUsage(f"the client could not be asked: {error}") from None
    try:
        return answers.usage(answer.out, now)
    except NoUsage as error:
        if not answer.fault:
            raise
        said = shorten(resolved.mask_text(answer.err.decode("utf-8", "replace")), 300)
        words = f"the client did not answer: {answer.fault}" + (f": {said}" if said else "")
        raise NoUsage(words, error.hint) from None


def _take(known: Account, learnt: list[Learnt], now: datetime) -> bool:
    news = False
    for account, name, reading in learnt:
        if account == known["id"]:
            news |= ledger.observe(known, name, reading, now)
    return news


def _clear(known: Account, now: datetime, everything: bool) -> list[str]:
    cleared = [name for name in ("outage", "overage", "alarms") if known.pop(name, None)]
    # Runs that are parked until a reset go by this: they need not wait for it any more.
    known["cleared_at"] = instant.text(now)
    for name, window in windows_of(known, now).items():
        if window.refusal is not None:
            known["windows"][name] = {"readings": [], "answered_at": instant.text(now)}
            cleared.append(f"the refusal of the {name} window")
    if everything and known["windows"]:
        known["windows"] = {}
        cleared.append("what was known of its windows")
    return cleared
