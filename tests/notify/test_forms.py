"""What is said of an event, and the requests that carry it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import pytest

from ccs.errors import InvalidInput
from ccs.model.notify import Channel, Notifications, Told
from ccs.notify import forms

BERLIN = ZoneInfo("Europe/Berlin")
RUN = {
    "id": "8c0a8931-5a57-4b0e-9a3e-2f6f0a1c7d11",
    "task_id": "11111111-0000-4000-8000-000000000000",
    "task_name": "Nightly deps",
    "status": "failed",
    "reason": "overloaded",
    "message": "529 <busy> & tired",
    "duration": 200.4,
    "turns": 3,
    "cost_usd": 0.421,
}
HOSTILE = "\"; rm -rf ~; $(id) `id` '\x1b[31m\n<b>&'"


def said(event: str, **facts: object) -> forms.Message:
    entry = {"id": "e1", "event": event, "channel": "c", "at": "2026-11-20T10:00:00.000Z"}
    return forms.Message({**entry, "facts": facts}, BERLIN)


def channel(kind: str, **fields: object) -> Channel:
    return Channel.checked({"name": "c", "kind": kind, **fields})


def posted(it: Channel, message: forms.Message) -> forms.Request:
    found = forms.request(it, message)
    assert found is not None
    return found


def test_a_failure_says_what_failed_why_and_where_to_look():
    message = said("failure", run=RUN)
    assert message.title == "ccs: Nightly deps failed: overloaded"
    told = ["529 <busy> & tired", "3m20s, 3 turns, 0.42 USD", "ccs runs log 8c0a8931"]
    assert message.text.splitlines() == told
    lost = said("failure", run={**RUN, "status": "lost", "reason": "crash"})
    assert lost.title == "ccs: Nightly deps was lost: crash"


def test_a_limit_says_when_it_resets_and_when_the_run_goes_on():
    run = {**RUN, "limit_type": "five_hour", "resets_at": "2026-11-20T13:10:00.000Z"}
    message = said("limit", run=run, goes_on_at="2026-11-20T13:12:00.000Z")
    assert "five_hour resets Fri 20 Nov 14:10; goes on Fri 20 Nov 14:12" in message.text
    assert "is not gone on with" in said("limit", run=run).text


def test_what_was_only_played_says_so():
    assert said("success", run={**RUN, "mock": True}).title.endswith("[mock]")


@pytest.mark.parametrize("event", ["start", "success", "failure", "limit", "resume", "alarm"])
def test_records_that_a_hand_has_been_at_are_still_words(event):
    for facts in ({}, {"run": 3}, {"run": {"id": None, "duration": "long", "resets_at": 5}}):
        message = said(event, **facts)
        assert message.title.startswith("ccs: ")
        assert forms.request(channel("webhook", url="http://h/x"), message)


def test_the_environment_of_a_command_never_marks_it_as_a_process_of_the_run():
    variables = said("failure", run=RUN).variables()
    assert "CCS_RUN_ID" not in variables
    assert variables["CCS_RUN"] == RUN["id"]
    assert (variables["CCS_STATUS"], variables["CCS_COST_USD"]) == ("failed", "0.421")


def test_no_control_character_and_no_nul_gets_into_words_and_variables():
    message = said("failure", run={**RUN, "task_name": HOSTILE + "\0", "message": HOSTILE + "\0"})
    for text in (message.title, message.text, *message.variables().values()):
        assert not {"\x1b", "\0"} & set(text)
    assert "\n" not in message.title


def test_a_long_message_is_cut_to_what_every_receiver_takes():
    message = said("failure", run={**RUN, "message": "ü" * 100_000})
    assert len(posted(channel("ntfy", url="https://h/t"), message).body) < 20_000
    assert len(message.text.encode()) < 3_100


def test_the_generic_form_has_the_whole_event_and_its_id_as_a_header():
    request = posted(channel("webhook", url="http://h/x", token="tk"), said("failure", run=RUN))
    body = json.loads(request.body)
    assert (body["id"], body["event"], body["run"]["reason"]) == ("e1", "failure", "overloaded")
    assert request.headers["Idempotency-Key"] == "e1"
    assert request.headers["Authorization"] == "Bearer tk"
    assert request.url == "http://h/x"


@pytest.mark.parametrize(
    ("url", "server", "topic"),
    [
        ("https://ntfy.sh/mine", "https://ntfy.sh/", "mine"),
        ("http://h:8080/under/mine/", "http://h:8080/under/", "mine"),
    ],
)
def test_ntfy_gets_json_at_its_root_so_that_any_letter_passes(url, server, topic):
    run = {**RUN, "task_name": "Nächtlich ☾"}
    request = posted(channel("ntfy", url=url), said("failure", run=run))
    body = json.loads(request.body)
    assert (request.url, body["topic"], body["priority"]) == (server, topic, 4)
    assert body["title"] == "ccs: Nächtlich ☾ failed: overloaded"


def test_slack_gets_text_without_markup_of_its_own():
    request = posted(channel("slack", url="https://h/x"), said("failure", run=RUN))
    assert "529 &lt;busy&gt; &amp; tired" in json.loads(request.body)["text"]


@pytest.mark.parametrize(
    ("event", "path"), [("start", "/u/start"), ("success", "/u"), ("failure", "/u/fail")]
)
def test_a_ping_is_the_address_with_what_happened_behind_it(event, path):
    request = posted(channel("ping", url="https://h/u?create=1"), said(event, run=RUN))
    parts = urlsplit(request.url)
    assert parts.path == path
    assert parse_qs(parts.query) == {"create": ["1"], "rid": [RUN["id"]]}


def test_a_ping_says_nothing_at_a_limit_because_that_is_no_failure():
    for event in ("limit", "alarm", "digest"):
        assert forms.request(channel("ping", url="https://h/u"), said(event, run=RUN)) is None


def test_one_ping_address_serves_every_task_by_its_name():
    request = posted(channel("ping", url="https://h/key/{task}"), said("success", run=RUN))
    assert urlsplit(request.url).path == "/key/nightly-deps"


def test_what_leads_to_a_channel_is_hidden_wherever_it_is_shown():
    secrets = {"url": "https://ntfy.sh/very-secret-topic", "token": "tk_secret"}
    it = channel("ntfy", **secrets)
    told = Notifications.checked({"channels": [it.record()]})
    for shown in (str(it.masked()), repr(it), repr(told), str(told.masked())):
        assert "secret" not in shown
    assert "very-secret-topic" in forms.hidden(it, said("failure"))
    for line in ("curl -H 'token: s3cret' h", "TOKEN=s3cret curl h", "TOKEN='a s3cret' curl"):
        assert channel("command", command=line).masked()["command"] == "********"
    assert channel("command", command=["curl"]).masked()["command"] == "curl"
    assert "s3cret" not in str(channel("command", command=["curl", "s3cret"]).masked())


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": "webhook"},
        {"kind": "webhook", "url": "ftp://secret/x"},
        {"kind": "webhook", "url": "file:///secret"},
        {"kind": "webhook", "url": "https://user:secret@h/x"},
        {"kind": "webhook", "url": "https://h/secret x"},
        {"kind": "webhook", "url": "https://h/secret\r\nX: y"},
        {"kind": "webhook", "url": "https://h:secret/"},
        {"kind": "ntfy", "url": "https://h/"},
        {"kind": "slack", "url": "https://h/x", "token": "secret\r\nX: y"},
        {"kind": "command"},
        {"kind": "pigeon"},
        {"kind": "desktop", "name": "a,b"},
        {"kind": "desktop", "name": "default"},
        {"kind": "command", "command": "x", "timeout": "2h"},
    ],
)
def test_a_channel_that_cannot_work_is_refused_without_showing_its_address(fields):
    with pytest.raises(InvalidInput) as refused:
        Channel.checked({"name": "c", **fields})
    assert "secret" not in refused.value.message


def test_the_prior_systems_words_are_understood():
    told = Told.checked({"on_start": False, "on_end": True, "on_failure": True})
    assert (told.on_start, told.on_success, told.on_failure) == ([], None, None)
    assert Told.checked({"on_end": False}).on_success == []


def test_tries_come_ever_later_up_to_an_hour():
    minutes = [forms.back_off(tries).total_seconds() / 60 for tries in range(1, 10)]
    assert minutes == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_digest_is_due_once_a_day_also_when_the_clock_is_changed():
    moment = datetime(2026, 10, 23, 0, 0, tzinfo=UTC)
    slots = set()
    for _ in range(24 * 4 * 6):
        moment += timedelta(minutes=15)
        slot = forms.digest_slot("02:30", BERLIN, moment)
        assert slot <= moment < forms.next_digest("02:30", BERLIN, moment)
        assert forms.digest_slot("02:30", BERLIN, forms.next_digest("02:30", BERLIN, slot)) > slot
        slots.add(slot)
    assert len({slot.astimezone(BERLIN).date() for slot in slots}) == len(slots)
    assert all(f"{slot.astimezone(BERLIN):%H:%M}" == "02:30" for slot in slots)


def test_the_digest_in_words():
    facts = {
        "since": "2026-11-19T06:30:00.000Z",
        "counts": {"success": 4, "failed": 2},
        "cost_usd": 1.5,
        "failures": [{"task_name": "deps", "reason": "error", "message": "no", "times": 2}],
        "waiting": [{"task_name": "big", "held_reason": "limit", "not_before": None}],
        "next": [{"task_name": "deps", "at": "2026-11-20T02:00:00.000Z"}],
    }
    message = said("digest", **forms.digest(facts, BERLIN))
    assert message.title == "ccs: 2 failed, 4 success since Thu 19 Nov 07:30"
    assert message.text.splitlines() == [
        "cost: 1.50 USD",
        "failed: deps, error (2 times): no",
        "waits: big (limit)",
        "next: deps, Fri 20 Nov 03:00",
    ]
