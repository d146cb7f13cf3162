"""What the client's words about limits mean, and the moment of reset that they name.

The wordings are data that the caller brings, for they change faster than ccs does. Only the
client's own error text belongs here, never what a model or a tool wrote. Nothing that a message
says makes this raise, and of a long one only the head is looked at.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from typing import NamedTuple
from zoneinfo import ZoneInfo

from ccs.errors import InvalidInput

KINDS = ("limit", "billing", "auth", "throttle", "gauge", "notice")
# They stop nothing, so beside a line that does they count for nothing.
_ASIDES = {"gauge", "notice"}
_FORMAT = 1
_LONGEST_PATTERN, _LONGEST_MESSAGE, _LONGEST_TIME = 500, 2000, 100
_MODEL = "{model}"

# A message rounds its time and is read later than it was written: what is just past has just reset.
_GRACE, _DATE_GRACE = timedelta(hours=1), timedelta(days=2)
_ANY_AGE = timedelta(days=36_600)
_FIRST, _LAST = datetime(2001, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)

_SPELLINGS = str.maketrans({"‘": "'", "’": "'", "∙": "·", "•": "·", "−": "-"})
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_UNITS = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}


def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.ASCII)


_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?"
    r"|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b"
)
_AFTER_NUMBER = r"(?:st|nd|rd|th)?(?!\d|:| ?[ap]\.?m\b)"
# Each part may be absent, and so may all: a clock time can stand alone.
_DAY = _compiled(
    r"[, ]*(?:(?:on|at|by) )?"
    r"(?:(?P<iso>\d{4}-\d{2}-\d{2})(?!\d)|(?P<relative>today|tomorrow)\b|"
    r"(?:(?P<weekday>mon(?:day)?|tue(?:s|sday)?|wed(?:nesday)?|thu(?:rs|rsday)?"
    r"|fri(?:day)?|sat(?:urday)?|sun(?:day)?)\b\.?,? ?)?"
    rf"(?:(?:(?P<month>{_MONTH})\.? (?P<day>\d{{1,2}}){_AFTER_NUMBER}"
    rf"|(?P<first_day>\d{{1,2}}){_AFTER_NUMBER} (?P<then_month>{_MONTH})\.?)"
    r"(?:,? (?P<year>20\d\d)(?![\d:]))?)?)"
)
_CLOCK = _compiled(
    r"[, ]*(?:t|at )?(?P<hour>\d{1,2})(?::(?P<minute>\d{2})(?::(?P<second>\d{2})(?:\.\d+)?)?)?"
    r"(?![\d:])(?: ?(?P<half>[ap])\.?m\b\.?)?"
)
_ZONE = _compiled(
    r" ?(z|(?:utc|gmt)(?: ?[+-]\d{1,2}(?::?\d{2})?)?|[+-]\d{2}:?\d{2}|[a-z_]+(?:/[\w+-]+)+)(?!\w)"
)
_IN_PARENTHESES = re.compile(r"\(([^()]{1,60})\)")
_OFFSET = _compiled(r"z|(?:utc|gmt)|(?:utc|gmt)? ?([+-])(\d{1,2})(?::?(\d{2}))?")
_ZONE_NAME = _compiled(r"[a-z][\w+-]*(?:/[\w+-]+){0,2}")
_EPOCH = _compiled(r"\d{9,14}(?!\d)")
_PART = r"(\d{1,6}) ?([wdhms])(?:eeks?|ays?|ours?|rs?|in(?:ute)?s?|ec(?:ond)?s?)?(?![a-z])"
_SPAN = _compiled(rf"in (?:{_PART},? ?(?:and )?)+")
_SPAN_PART = _compiled(_PART)
# After what a time may stand, the surest place first.
_PLACES = (
    _compiled(r"\|(?= ?\d{9}) ?"),
    _compiled(r"\bresets?\b:? ?"),
    _compiled(r"\b(?:again|automatically) "),
    _compiled(r"\b(?=\d{4}-\d{2}-\d{2}[t ]\d{2}:)"),
    _compiled(r"\b(?=in \d)"),
)


class Text(NamedTuple):
    """One wording. A `{model}` in `window` stands for what the pattern's group `model` matches."""

    id: str
    kind: str
    window: str | None
    pattern: re.Pattern[str]


class Meaning(NamedTuple):
    kind: str
    window: str | None
    resets_at: datetime | None
    text_id: str


def texts(document: object) -> list[Text]:
    """Of a parsed file of wordings, ours or the user's. Raises InvalidInput, naming the entry."""
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise InvalidInput(f"limit texts need to be an object of format {_FORMAT}")
    if not isinstance(entries := document.get("texts"), list):
        raise InvalidInput("limit texts need a list named texts")
    found: dict[str, Text] = {}
    for place, entry in enumerate(entries, 1):
        text = _text(entry, f"limit text {place}")
        if text.id in found:
            raise InvalidInput(f"limit text {place}: the id {text.id} is taken by an earlier one")
        found[text.id] = text
    return list(found.values())


def meaning(message: str, known: Sequence[Text], now: datetime, zone: ZoneInfo) -> Meaning | None:
    """By the first of the `known` texts that fits. None: these words are new and should be told.

    Of several lines the last one that stops a run counts, as the one that was written last. Times
    that name no zone are read in `zone`.
    """
    found = list(_matches(message, known))
    if not found:
        return None
    text, match = next((one for one in found if one[0].kind not in _ASIDES), found[0])
    return Meaning(text.kind, _window(text, match), reset_in(match.string, now, zone), text.id)


def reset_in(message: str, now: datetime, zone: ZoneInfo) -> datetime | None:
    """In UTC. It is past when the reset has only just been; None when no moment can be made out."""
    words = _plain(message)
    for pattern in _PLACES:
        for place in pattern.finditer(words):
            rest = words[place.end() :][:_LONGEST_TIME].partition("·")[0]
            try:
                moment = _moment(rest, now, zone)
            except (ValueError, OverflowError):  # no such day or time, or one out of reach
                continue
            if moment and _FIRST < moment < _LAST:
                return moment
    return None


def _text(entry: object, name: str) -> Text:
    if not isinstance(entry, dict):
        raise InvalidInput(f"{name} is not an object")
    words = [entry.get(key) for key in ("id", "kind", "pattern")]
    if not all(isinstance(word, str) and word for word in words):
        raise InvalidInput(f"{name} needs id, kind and pattern, each a text")
    id, kind, pattern = map(str, words)
    name = f"{name} ({id[:80]})"
    if kind not in KINDS:
        raise InvalidInput(f"{name}: unknown kind {kind[:80]!r}", f"one of {', '.join(KINDS)}")
    if len(pattern) > _LONGEST_PATTERN:
        raise InvalidInput(f"{name}: a pattern of more than {_LONGEST_PATTERN} characters")
    try:
        regex = re.compile(pattern, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise InvalidInput(f"{name}: the pattern is no regular expression: {error}") from None
    if regex.match(""):
        raise InvalidInput(f"{name}: the pattern fits every message")
    return Text(id, kind, _window_name(entry.get("window"), regex, name), regex)


def _window_name(window: object, regex: re.Pattern[str], name: str) -> str | None:
    if window is None:
        return None
    if not isinstance(window, str) or not re.fullmatch(r"[a-z0-9_]{1,60}(\{model\})?", window):
        raise InvalidInput(f"{name}: {window!r} is not a window", "five_hour, seven_day or null")
    if window.endswith(_MODEL) and "model" not in regex.groupindex:
        raise InvalidInput(f"{name}: its window needs a group named model in the pattern")
    return window


def _window(text: Text, match: re.Match[str]) -> str | None:
    if text.window is None or not text.window.endswith(_MODEL):
        return text.window
    model = re.sub(r"[^a-z0-9]+", "_", (match["model"] or "").lower()).strip("_")
    return text.window.replace(_MODEL, model) if model else None


def _matches(message: str, known: Sequence[Text]) -> Iterator[tuple[Text, re.Match[str]]]:
    """From the last line up; each with what follows it, for a message may be broken into lines."""
    head = message.lstrip()[:_LONGEST_MESSAGE]
    lines = [line for line in map(_plain, head.splitlines()) if line]
    for start in reversed(range(len(lines))):
        for words in dict.fromkeys((" ".join(lines[start:]), lines[start])):
            found = ((text, text.pattern.match(words)) for text in known)
            first = next(((text, match) for text, match in found if match), None)
            if first:
                yield first
                break


def _plain(message: str) -> str:
    return " ".join(message.lstrip()[:_LONGEST_MESSAGE].translate(_SPELLINGS).split())


def _moment(words: str, now: datetime, zone: tzinfo) -> datetime | None:
    """What `words` begin with. Raises ValueError or OverflowError when there is no such moment."""
    if match := _EPOCH.match(words):
        epoch = int(match[0])
        return datetime.fromtimestamp(epoch / 1000 if epoch >= 10**12 else epoch, UTC)
    if match := _SPAN.match(words):
        return _after(match[0], now)
    # Out of the way before a digit is read, for an offset has digits too.
    stated = _IN_PARENTHESES.search(words)
    words = _IN_PARENTHESES.sub("", words)
    day = _day(words, 0)
    clock = _CLOCK.match(words, day.end() if day else 0)
    last = clock or day
    if not last:
        return None
    written = _ZONE.match(words, last.end())
    day = day or _day(words, (written or last).end())
    names = [match[1] for match in (stated, written) if match]
    zone = next(filter(None, map(_zone, names)), zone)
    days, patience = _days(day, now.astimezone(zone).date())
    times = _times(clock, is_iso=bool(day and day["iso"]))
    return _nearest(days, times, now, zone, patience)


def _after(words: str, now: datetime) -> datetime:
    parts = _SPAN_PART.findall(words)
    span = timedelta(**{_UNITS[unit.lower()]: int(number) for number, unit in parts})
    return (now + span).astimezone(UTC)


def _zone(name: str) -> tzinfo | None:
    if match := _OFFSET.fullmatch(name.strip()):
        sign, hours, minutes = match[1], int(match[2] or 0), int(match[3] or 0)
        if hours > 14 or minutes > 59:
            return None
        offset = timedelta(hours=hours, minutes=minutes)
        return timezone(-offset if sign == "-" else offset)
    if not _ZONE_NAME.fullmatch(name):
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown here, or the name of a whole region
        return None


def _day(words: str, start: int) -> re.Match[str] | None:
    match = _DAY.match(words, start)
    return match if match and any(match.groups()) else None


def _days(match: re.Match[str] | None, today: date) -> tuple[list[date], timedelta]:
    """The days that may be meant, in order, and how long past one of them may be."""
    around = [today + timedelta(days=ahead) for ahead in range(-1, 8)]
    if not match:
        return around, _GRACE
    if match["iso"]:
        return [date.fromisoformat(match["iso"])], _ANY_AGE
    if match["relative"]:
        return [today + timedelta(days=int(match["relative"].lower() == "tomorrow"))], _ANY_AGE
    if name := match["month"] or match["then_month"]:
        month = _MONTHS.index(name[:3].lower()) + 1
        number = int(match["day"] or match["first_day"])
        if match["year"]:
            return [date(int(match["year"]), month, number)], _ANY_AGE
        years = [today.year - 1, today.year, today.year + 1]
        fitting = [year for year in years if number <= monthrange(year, month)[1]]
        return [date(year, month, number) for year in fitting], _DATE_GRACE
    weekday = _WEEKDAYS.index(match["weekday"][:3].lower())
    return [day for day in around if day.weekday() == weekday], _GRACE


def _times(match: re.Match[str] | None, *, is_iso: bool) -> list[time]:
    """Two when nothing tells which half of the day is meant. A day without a time is its start."""
    if not match:
        return [time()]
    hour, half = int(match["hour"]), (match["half"] or "").lower()
    if not (half or match["minute"]) or (half and not 1 <= hour <= 12):
        raise ValueError(f"{match[0]!r} is no time of day")
    hours = [hour]
    if half:
        hours = [hour % 12 + (12 if half == "p" else 0)]
    elif 1 <= hour <= 12 and match["hour"][0] != "0" and not is_iso:
        hours = [hour % 12, hour % 12 + 12]
    return [time(one, int(match["minute"] or 0), int(match["second"] or 0)) for one in hours]


def _nearest(
    days: list[date], times: list[time], now: datetime, zone: tzinfo, patience: timedelta
) -> datetime | None:
    """On the first day that is not past for too long, the first reading that is to come."""
    for day in days:
        readings = sorted({one for time in times for one in _readings(day, time, zone)})
        if readings[-1] >= now - patience:
            return next((one for one in readings if one >= now - _GRACE), readings[-1])
    return None


def _readings(day: date, clock: time, zone: tzinfo) -> Iterator[datetime]:
    """Twice when the clocks are put back over it. What they are put forward over is moved along."""
    wall = datetime.combine(day, clock)
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    yield first
    if second > first:
        yield second
