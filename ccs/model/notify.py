"""Who is told what: channels, and the events that go to them.

A channel's addresses and tokens are secrets: whoever knows them can write to it. They stand in
settings.json only, tasks name channels, and everything that is shown goes through `masked`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

from ccs.model.record import Part, Span, Zone
from ccs.model.shape import AfterValidator, Field, field_validator, model_validator
from ccs.text import MASK

Kind = Literal["command", "webhook", "ntfy", "slack", "desktop", "apprise", "ping"]
WITH_URL = ("webhook", "ntfy", "slack", "apprise", "ping")
EVENTS = ("start", "success", "failure", "limit", "resume")
# Of the whole store: what no task has a say in.
OF_ALL = ("alarm", "digest")
_LONGEST = timedelta(minutes=5)


def _named(value: str) -> str:
    # Written as EVENT=CHANNEL,CHANNEL on a command line.
    if not value or len(value) > 60 or any(one in ",=" or not one.isprintable() for one in value):
        raise ValueError("a channel's name has 1 to 60 characters, none of them a comma or =")
    if value == "default":
        raise ValueError("'default' stands for what the settings say")
    return value


def _clock_time(value: str) -> str:
    hour, _, minute = value.partition(":")
    digits = hour.isdecimal() and minute.isdecimal() and len(minute) == 2 and len(hour) <= 2
    if not (value.isascii() and digits and int(hour) < 24 and int(minute) < 60):
        raise ValueError("a time of day is written as 07:30")
    return f"{int(hour):02}:{minute}"


ChannelName = Annotated[str, AfterValidator(_named)]
ClockTime = Annotated[str, AfterValidator(_clock_time)]


class Channel(Part):
    """One way to reach somebody. What a kind has no use for stays empty."""

    name: ChannelName
    kind: Kind
    # Out of repr: a record that ends up in an error text must not carry its secrets there.
    url: str | None = Field(default=None, repr=False)
    token: str | None = Field(default=None, repr=False)
    # A list is called as it stands, a text goes to the shell.
    command: str | list[str] | None = Field(default=None, repr=False)
    timeout: Span = timedelta(seconds=30)

    @field_validator("token")
    @classmethod
    def _fits_a_header(cls, value: str | None) -> str | None:
        if value is not None and not (value.isascii() and value.isprintable()):
            raise ValueError("a token is printable ASCII")
        return value

    @field_validator("timeout")
    @classmethod
    def _ends_soon(cls, value: timedelta) -> timedelta:
        if not timedelta(seconds=1) <= value <= _LONGEST:
            raise ValueError("must lie between 1s and 5m")
        return value

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Channel:
        # Texts without the value: they are shown.
        if self.kind == "command" and not self.command:
            raise ValueError("command: a channel of this kind needs one")
        if isinstance(self.command, list) and any("\0" in one for one in self.command):
            raise ValueError("command: a NUL fits no argument")
        if self.kind in WITH_URL and not self.url:
            raise ValueError(f"url: a channel of kind {self.kind} needs one")
        if self.kind in WITH_URL and self.kind != "apprise" and not _is_web(self.url or ""):
            raise ValueError("url: must begin with http:// or https:// and hold no blanks or login")
        if self.kind == "ntfy" and not _has_path(self.url or ""):
            raise ValueError("url: must name a topic, as in https://ntfy.sh/TOPIC")
        return self

    def masked(self) -> dict[str, Any]:
        """As it may be shown: where it leads is hidden, and of a command all but the program; in a
        line for the shell nobody can tell which word that is."""
        shown = self.record()
        for secret in ("url", "token"):
            shown[secret] = MASK if shown[secret] else None
        if self.command:
            words = self.command if isinstance(self.command, list) else []
            shown["command"] = " ".join([*words[:1], *[MASK] * (len(words) != 1)])
        known = type(self).model_fields
        return {name: value for name, value in shown.items() if name in known}


def _has_path(url: str) -> bool:
    from urllib.parse import urlsplit

    return bool(urlsplit(url).path.strip("/"))


def _is_web(url: str) -> bool:
    if not url.isascii() or not url.isprintable() or " " in url:
        return False
    from urllib.parse import urlsplit  # only for a store that tells anybody anything

    try:
        parts = urlsplit(url)
        # Asked for because reading them may fail.
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(host) and "@" not in parts.netloc


class Told(Part):
    """Of one task: the channels that each event goes to. None: those of the settings."""

    on_start: list[ChannelName] | None = None
    on_success: list[ChannelName] | None = None
    on_failure: list[ChannelName] | None = None
    on_limit: list[ChannelName] | None = None
    on_resume: list[ChannelName] | None = None

    @model_validator(mode="before")
    @classmethod
    def _prior_words(cls, fields: Any) -> Any:
        """The prior system only knew yes and no, and called success `on_end`."""
        if not isinstance(fields, dict):
            return fields
        known = dict(fields)
        if "on_end" in known:
            known.setdefault("on_success", known.pop("on_end"))
        said: dict[bool, list[str] | None] = {True: None, False: []}
        return {
            name: said[value] if isinstance(value, bool) and name in cls.model_fields else value
            for name, value in known.items()
        }


class Notifications(Told):
    """Of a store."""

    channels: list[Channel] = []
    on_alarm: list[ChannelName] | None = None
    on_digest: list[ChannelName] | None = None
    digest_at: ClockTime = "07:30"
    # None: the machine's.
    timezone: Zone | None = None

    @field_validator("channels")
    @classmethod
    def _each_name_once(cls, value: list[Channel]) -> list[Channel]:
        names = [one.name for one in value]
        if twice := {one for one in names if names.count(one) > 1}:
            raise ValueError(f"{', '.join(sorted(twice))} stands there twice")
        return value

    def channel(self, name: str) -> Channel | None:
        return next((one for one in self.channels if one.name == name), None)

    def of(self, event: str) -> list[str]:
        """The channels of an event; an alarm that has none goes where failures go."""
        found: list[str] | None = getattr(self, f"on_{event}")
        if found is None and event == "alarm":
            found = self.on_failure
        return found or []

    def masked(self) -> dict[str, Any]:
        return {**self.record(), "channels": [one.masked() for one in self.channels]}
