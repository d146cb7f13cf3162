"""Logs as they are read: growing, compressed, by the time they were written."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ccs.engine.logs import Logs, Times
from ccs.errors import CcsError
from ccs.report.logs import Tail

RUN = "8c0a8931-0000-4000-8000-000000000000"
BEGIN = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)


class Writing:
    """A run's logs, written by a clock that is moved by hand."""

    def __init__(self, home):
        self.home = home
        self.now = BEGIN
        times = Times(home.times(RUN), lambda: self.now)
        self.logs = Logs(home.log(RUN), home.stream(RUN), lambda content: content, times)

    def after(self, seconds, words):
        self.now += timedelta(seconds=seconds)
        self.logs.note(words)

    def tail(self, **options):
        return Tail(self.home, RUN, **options)


@pytest.fixture
def writing(home):
    writing = Writing(home)
    with writing.logs:
        yield writing


def texts(lines):
    return [line.text for line in lines]


def seconds(lines):
    return [None if line.at is None else (line.at - BEGIN).total_seconds() for line in lines]


def test_each_line_is_given_once_and_with_the_time_it_was_written(writing):
    tail = writing.tail(timed=True)
    assert list(tail.fresh(False)) == []
    writing.after(0, "a")
    writing.after(10, "b")
    first = list(tail.fresh(False))
    assert (texts(first), seconds(first)) == (["-- a", "-- b"], [0, 10])
    writing.after(0.5, "within a second")
    writing.after(0.6, "c")
    again = list(tail.fresh(False))
    assert (texts(again), seconds(again)) == (["-- within a second", "-- c"], [10, 11.1])


def test_a_clock_that_is_moved_back_does_not_stop_the_times(writing):
    writing.after(0, "a")
    writing.after(-3600, "b")
    assert seconds(writing.tail(timed=True).fresh(True)) == [0, -3600]


def test_only_what_is_newer_is_shown(writing):
    writing.after(0, "a")
    writing.after(60, "b")
    writing.logs.stdout_line(b'{"n": 1}', [])
    since = BEGIN + timedelta(seconds=30)
    assert texts(writing.tail(since=since).fresh(True)) == ["-- b"]
    assert texts(writing.tail(raw=True, since=since).fresh(True)) == ['{"n": 1}']
    later = BEGIN + timedelta(seconds=61)
    assert texts(writing.tail(since=later).fresh(True)) == []


def test_without_times_all_of_a_log_is_shown(home):
    Path(home.log(RUN)).write_text("a\nb\n")
    lines = list(Tail(home, RUN, timed=True, since=BEGIN).fresh(True))
    assert (texts(lines), seconds(lines)) == (["a", "b"], [None, None])


def test_torn_times_are_passed_over(writing):
    writing.after(0, "a")
    with open(writing.home.times(RUN), "a", encoding="ascii") as file:
        file.write("2026-11-2")
    assert seconds(writing.tail(timed=True).fresh(True)) == [0]


def packed(path):
    plain = Path(path)
    Path(path + ".gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()


def test_a_compressed_log_reads_like_any_other(writing):
    writing.after(0, "a")
    writing.logs.stdout_line(b'{"n": 1}', ["rendered"])
    tail = writing.tail(timed=True)
    before = list(tail.fresh(True))
    packed(writing.home.log(RUN))
    packed(writing.home.stream(RUN))
    assert list(tail.fresh(True)) == []
    assert list(writing.tail(timed=True).fresh(True)) == before
    assert texts(writing.tail(raw=True).last(1, True)) == ['{"n": 1}']


@pytest.mark.parametrize("keep", [3, 15, -5])
def test_a_damaged_one_is_an_error_and_no_traceback(home, keep):
    content = gzip.compress(b"line\n" * 5000)
    Path(home.log(RUN) + ".gz").write_bytes(content[:keep])
    with pytest.raises(CcsError, match="damaged"):
        list(Tail(home, RUN).fresh(True))


def test_a_log_with_no_place_for_its_times_is_written_all_the_same(home):
    Path(home.times(RUN)).mkdir()
    times = Times(home.times(RUN), lambda: BEGIN)
    with Logs(home.log(RUN), home.stream(RUN), lambda content: content, times) as logs:
        logs.note("a")
    assert texts(Tail(home, RUN).fresh(True)) == ["-- a"]
