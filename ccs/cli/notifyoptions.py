"""--notify of a task: which of its events go to which channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ccs.errors import InvalidInput

if TYPE_CHECKING:
    from ccs.model.task import Task
    from ccs.store.store import Store

_FORM = "write it as failure=phone, or limit=phone,team"

notify_option = click.option(
    "--notify",
    multiple=True,
    metavar="EVENT=CHANNEL",
    help="start, success, failure, limit, resume, end or all to a channel of ccs notify; "
    "repeatable. EVENT= tells nobody; EVENT=default whom the settings say.",
)


def notify_fields(
    store: Store, given: tuple[str, ...], present: Task | None
) -> dict[str, dict[str, Any]]:
    """The task's `notifications`; what was not named stays. Raises InvalidInput, NotFound."""
    if not given:
        return {}
    from ccs.engine import channels
    from ccs.model.notify import EVENTS

    told = store.settings().notifications
    chosen: dict[str, list[str] | None] = {}
    for one in given:
        event, equals, names = one.partition("=")
        if not equals:
            raise InvalidInput(f"--notify {one}: no channel is named", _FORM)
        listed = [name.strip() for name in names.split(",") if name.strip()]
        if listed != ["default"]:
            listed = [channels.found(told, name).name for name in listed]
        for each in channels.named([event]):
            if each not in EVENTS:
                raise InvalidInput(
                    f"--notify {one}: {each} is of the whole store", f"ccs notify on {each} CHANNEL"
                )
            earlier = chosen.get(each) or []
            chosen[each] = None if listed == ["default"] else list(dict.fromkeys(earlier + listed))
    before = present.notifications.record() if present else {}
    return {"notifications": {**before, **{f"on_{one}": to for one, to in chosen.items()}}}
