"""The text of a cron expression: what is accepted, its normal form, the values it names.

No meaning in time is given here; `ccs.schedule.cron` does that.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ccs.errors import InvalidInput

LONGEST = 256  # croniter takes 1.5 s for a megabyte

SHAPE = "five fields: minute hour day-of-month month day-of-week, as in `0 9 * * 1-5`"
NAMED_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
NAMED_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
PLACE = re.compile(r"(\*|\w+)(?:-(\w+))?(?:/(\d+))?", re.ASCII)
ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
ELSEWHERE = {"@reboot": "use a startup schedule", "@every": "use an interval schedule, as in 15m"}


class _Field(NamedTuple):
    name: str
    low: int
    high: int
    names: list[str]
    example: str

    @property
    def top(self) -> int:
        """The highest value proper: as a day of the week, 7 is another word for 0."""
        return 6 if self.high == 7 else self.high

    def refuse(self, text: str, problem: str, hint: str = "") -> InvalidInput:
        return InvalidInput(
            f"{self.name} {text!r}: {problem}", hint or f"for example {self.example}"
        )

    def number(self, place: str, word: str) -> int:
        if word.isdigit():
            if not self.low <= int(word) <= self.high:
                raise self.refuse(place, f"must be within {self.low}-{self.high}")
            return int(word)
        if word.lower() not in self.names:
            known = f"names are {', '.join(self.names)}" if self.names else "only numbers here"
            raise self.refuse(place, f"unknown word {word!r}, {known}")
        return self.names.index(word.lower()) + self.low


DAY = _Field("day of month", 1, 31, [], "`1`, `1,15`, `*/2`, `15W` or `L` (the last day)")
WEEKDAY = _Field("day of week", 0, 7, NAMED_DAYS, "`1-5`, `MON,THU`, `5#3` or `L5` (last Friday)")
FIELDS = (
    _Field("minute", 0, 59, [], "`0`, `*/15`, `0,30` or `10-50/20`"),
    _Field("hour", 0, 23, [], "`9`, `*/6`, `9,17` or `9-17`"),
    DAY,
    _Field("month", 1, 12, NAMED_MONTHS, "`1`, `1-6`, `*/3` or `JAN,JUL`"),
    WEEKDAY,
)


class _Part(NamedTuple):
    """One place of a field's list: its text, and its values or croniter's word for them."""

    text: str
    values: range = range(0)
    word: str = ""


def _special(field: _Field, place: str) -> _Part | None:
    """`L` and `nW` among the days of the month, `d#n` and `Ld` among those of the week."""
    if field is DAY and place.upper() == "L":
        return _Part("L", word="l")
    if field is DAY and (match := re.fullmatch(r"(\d+)W", place, re.I)):
        return _Part(place.upper(), word=f"{field.number(place, match[1])}w")
    if field is WEEKDAY and (match := re.fullmatch(r"L(\d)|(\d)L", place, re.I)):
        day = field.number(place, match[1] or match[2])
        return _Part(f"L{day}", word=f"l{day % 7}")
    if field is WEEKDAY and (match := re.fullmatch(r"(\w+)#(\w*)", place)):
        if match[2] not in list("12345"):
            raise field.refuse(place, "after `#` stands which one of the month, 1-5")
        return _Part(place, word=f"{field.number(place, match[1]) % 7}#{match[2]}")
    return None


def _unwrapped(field: _Field, low: int, high: int, step: int) -> str:
    """How to write a range that runs over the end of its field."""
    halves = [range(low, field.top + 1), range(field.low, high + 1)]
    if step > 1:
        return ",".join(str(value) for value in [*halves[0], *halves[1]][::step])
    return ",".join(f"{h[0]}-{h[-1]}" if len(h) > 1 else f"{h[0]}" for h in halves if h)


def _part(field: _Field, place: str) -> _Part:
    if special := _special(field, place):
        return special
    if "~" in place or re.match(r"[hr]([(/]|$)", place, re.I):
        raise field.refuse(place, "random and hashed times are not supported")
    if "?" in place:
        raise field.refuse(place, "`?` is not supported", "write `*` for any day")
    match = PLACE.fullmatch(place)
    if match is None or (match[1] == "*" and match[2]):
        raise field.refuse(
            place, "neither a value nor a range" if place else "an empty place in the list"
        )
    step = int(match[3] or 1)
    if step == 0:
        raise field.refuse(place, "a step must be at least 1")
    if match[1] == "*":
        return _Part(place, range(field.low, field.top + 1, step))
    low = field.number(place, match[1])
    if match[3] and not match[2]:
        if field is WEEKDAY:  # programs differ: does it end on 6 or on 7?
            raise field.refuse(place, "a step needs a range here", f"write `{low % 7}-6/{step}`")
        return _Part(place, range(low, field.high + 1, step))
    high = field.number(place, match[2] or match[1])
    if low > high:
        hint = f"write `{_unwrapped(field, low, high, step)}`"
        raise field.refuse(place, "the range runs backwards", hint)
    # croniter reads `9-9` as the whole cycle, so it is not even kept that way.
    return _Part(match[1] if low == high else place, range(low, high + 1, step))


class Parsed(NamedTuple):
    field: _Field
    parts: list[_Part]

    @property
    def text(self) -> str:
        return ",".join(part.text for part in self.parts)

    @property
    def starred(self) -> bool:
        """Vixie cron looks at the text: `*/2` and `*,15` are stars, `1-31` is not."""
        return self.text.startswith("*")

    @property
    def values(self) -> set[int]:
        return {v % 7 if self.field is WEEKDAY else v for part in self.parts for v in part.values}

    @property
    def spelt(self) -> str:
        """For croniter: plain numbers, since its reading of ranges has changed before."""
        if len(self.values) > self.field.top - self.field.low:
            return "*"
        return ",".join([*map(str, sorted(self.values)), *(p.word for p in self.parts if p.word)])


def _parse(field: _Field, text: str) -> Parsed:
    parts = [_part(field, place) for place in text.split(",")]
    words = [part.word for part in parts if part.word]
    if len(parts) > 1 and any(word.endswith("w") for word in words):
        raise field.refuse(text, "`W` stands alone, not in a list")
    if field is WEEKDAY and 0 < len(words) < len(parts):
        raise field.refuse(text, "`#` and `L` do not mix with plain days")
    return Parsed(field, parts)


def _alias(text: str) -> str:
    word, *more = text.lower().split()
    if word in ELSEWHERE:
        raise InvalidInput(f"{word} is not a cron time", ELSEWHERE[word])
    if word not in ALIASES:
        raise InvalidInput(f"unknown alias {word!r}", f"known are {' '.join(ALIASES)}; or {SHAPE}")
    if more:
        raise InvalidInput(f"{word} stands alone, without fields", SHAPE)
    return word


def read(expression: str) -> tuple[str, list[Parsed]]:
    """The normalised expression and its fields."""
    if len(expression) > LONGEST:
        raise InvalidInput(f"a cron expression has at most {LONGEST} characters", SHAPE)
    if not expression.isascii():
        raise InvalidInput(f"cron expression {expression!a}: plain ASCII only", SHAPE)
    texts = expression.split()
    if not texts:
        raise InvalidInput("the cron expression is empty", SHAPE)
    alias = _alias(expression) if texts[0].startswith("@") else ""
    texts = ALIASES[alias].split() if alias else texts
    if len(texts) != len(FIELDS):
        more = "; seconds and years are not supported" if len(texts) > len(FIELDS) else ""
        raise InvalidInput(f"cron fields: {len(texts)} given, 5 needed{more}", SHAPE)
    fields = [_parse(field, text) for field, text in zip(FIELDS, texts, strict=True)]
    return alias or " ".join(field.text for field in fields), fields
