"""The texts of limit messages: those that come with ccs, and the user's own before them."""

from __future__ import annotations

import json
import os
from datetime import datetime
from importlib import resources
from zoneinfo import ZoneInfo

from ccs.errors import BrokenStore, CcsError, InvalidInput
from ccs.host import zone
from ccs.store import atomic, strict
from ccs.store.home import Home
from ccs.usage import messages

HINT = "name it in limit-texts.json of the store (man ccs-usage)"


def shipped() -> list[messages.Text]:
    content = resources.files("ccs.usage").joinpath("limit-texts.json").read_text("utf-8")
    return messages.texts(json.loads(content))


def own(home: Home) -> list[messages.Text]:
    """The user's. Raises BrokenStore."""
    found = atomic.read(home.limit_texts)
    if found is None:
        return []
    try:
        return messages.texts(strict.parse(found[0], home.limit_texts))
    except InvalidInput as error:
        words = f"{home.limit_texts}: {error.message}"
    except BrokenStore as error:
        words = error.message
    raise BrokenStore(words, "mend it by hand (man ccs-usage)")


def meaning(home: Home, message: str, now: datetime) -> messages.Meaning | None:
    """None: nobody knows the text. The client prints times in the zone of its process."""
    texts = shipped()
    try:
        texts = own(home) + texts
    except CcsError:
        pass  # ccs health reports the file; a limit has to be understood all the same
    return messages.meaning(message, texts, now, ZoneInfo(zone.local_name(os.environ)))
