"""The line that is drawn while a run goes on."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from random_events import EVENTS
from recorded_streams import events

from ccs.claude.progress import Progress
from ccs.text import plain


def after(name, count=None):
    progress = Progress()
    for event in events(name)[:count]:
        progress.feed(event)
    return progress.line(timedelta(seconds=192.7), 200)


def test_it_tells_time_turns_cost_tokens_and_the_last_tool():
    assert after("bash_background_8s") == (
        "3m12s · 3 turns · $0.0024 · 0.3k in / 60 out"
        ' · Bash: perl -e "sleep 8"; echo bgdone > bg.txt'
    )


def test_before_the_first_result_there_is_no_cost():
    line = after("bash_background_8s", 3)
    assert "$" not in line
    assert " in / " in line


def test_it_fits():
    progress = Progress()
    assert len(progress.line(timedelta(days=30), 20)) <= 20


@given(EVENTS)
def test_whatever_comes_it_stays_one_plain_line(event):
    progress = Progress()
    progress.feed(event)
    line = progress.line(timedelta(seconds=-1), 100)
    assert plain(line) == line
    assert "\n" not in line
