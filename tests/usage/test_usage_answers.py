"""What is made of a status line, of the client's answer, and of ccusage: nothing in them raises."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccs.usage import answers
from ccs.usage.answers import NoUsage

NOW = datetime(2026, 11, 20, 22, 0, tzinfo=UTC)
SOON = NOW + timedelta(hours=2)
EPOCH = int(SOON.timestamp())
RECORDED = Path(__file__).parents[1] / "claude/streams/ctl_get_usage_cred.stdout.jsonl"

NO_SHARE = [None, True, "", "half", -1, 1001, [], {}, 10**400, "1e999"]
NO_RESET = [None, True, "", "soon", 0, -1, EPOCH * 1000, 10**400, [], {}, "2026-11-21T00:00:00"]
NO_OBJECTS = [
    b"",
    b"{",
    b"null",
    b"[]",
    b"7",
    b'"x"',
    b"\xff\xfe{}",
    b"{}{}",
    b'{"a":NaN}',
    b'{"rate_limits":{"five_hour":{"used_percentage":1e999}}}',
    b"[" * 100_000,
    b'{"rate_limits":' * 5000,
]


def line(**limits):
    return json.dumps({"session_id": "s", "rate_limits": limits}).encode()


def window(used=40, resets_at=EPOCH, **more):
    return {"used_percentage": used, "resets_at": resets_at, **more}


def answer(response, subtype="success"):
    """The recorded line with another answer in it."""
    event = json.loads(RECORDED.read_text())
    event["response"]["subtype"] = subtype
    event["response"]["response"] = response
    return json.dumps(event).encode()


def limits(available=True, **limits):
    return answer({"rate_limits_available": available, "rate_limits": limits})


def shown(readings):
    return {
        name: (one.utilization, one.resets_at and one.resets_at - NOW, one.status)
        for name, one in readings.items()
    }


HOURS = timedelta(hours=1)


class TestStatusLine:
    def test_each_window_is_a_reading_of_now(self):
        found = answers.status_line(
            line(five_hour=window(42.5), seven_day=window(7, EPOCH + 86_400)), NOW
        )
        assert shown(found) == {
            "five_hour": (0.425, 2 * HOURS, None),
            "seven_day": (0.07, 26 * HOURS, None),
        }
        assert {(one.source, one.seen_at) for one in found.values()} == {("status_line", NOW)}

    def test_one_percent_is_not_taken_for_all_of_it(self):
        assert answers.status_line(line(five_hour=window(1)), NOW)["five_hour"].utilization == 0.01

    @pytest.mark.parametrize(
        ("name", "used", "status"),
        [
            ("five_hour", 100, "rejected"),
            ("five_hour", 104.2, "rejected"),
            ("five_hour", 99.9, None),
            ("seven_day_opus", 100, "rejected"),
            # a window of another product holds no run
            ("seven_day_oauth_apps", 100, None),
            ("monthly_credits", 100, None),
        ],
    )
    def test_a_full_window_that_runs_count_in_refuses(self, name, used, status):
        assert answers.status_line(line(**{name: window(used)}), NOW)[name].status == status

    def test_a_window_nobody_has_heard_of_is_kept(self):
        assert list(answers.status_line(line(seven_day_fable=window()), NOW)) == ["seven_day_fable"]

    def test_a_reset_that_has_passed_tells_nothing_of_now(self):
        assert answers.status_line(line(five_hour=window(40, EPOCH - 7200)), NOW) == {}

    def test_a_reset_lies_at_most_a_window_ahead(self):
        found = answers.status_line(line(five_hour=window(40, EPOCH + 10**7)), NOW)
        assert found["five_hour"].resets_at == NOW + 5 * HOURS

    @pytest.mark.parametrize("used", NO_SHARE)
    def test_a_window_without_a_share_is_passed_over(self, used):
        text = line(five_hour=window(used), seven_day=window())
        assert list(answers.status_line(text, NOW)) == ["seven_day"]

    @pytest.mark.parametrize("resets_at", NO_RESET)
    def test_a_window_without_a_reset_is_passed_over(self, resets_at):
        text = line(five_hour=window(40, resets_at), seven_day=window())
        assert list(answers.status_line(text, NOW)) == ["seven_day"]

    @pytest.mark.parametrize(
        "name", ["", " ", "five hour", "\ud800", "\x1b[2J", "../x", "fünf", "9", "x" * 61, "a\nb"]
    )
    def test_a_name_that_a_file_or_a_terminal_could_trip_over_is_passed_over(self, name):
        assert answers.status_line(line(**{name: window()}), NOW) == {}

    def test_no_more_windows_than_an_account_can_have(self):
        many = {f"w{number}": window() for number in range(1000)}
        assert len(answers.status_line(line(**many), NOW)) == 20

    @pytest.mark.parametrize("text", NO_OBJECTS)
    def test_whatever_else_it_is_says_nothing(self, text):
        assert answers.status_line(text, NOW) == {}

    @pytest.mark.parametrize("value", [None, [], "x", 7, {"five_hour": None}, {"five_hour": []}])
    def test_limits_of_another_shape_say_nothing(self, value):
        assert answers.status_line(json.dumps({"rate_limits": value}).encode(), NOW) == {}


class TestTheClientsAnswer:
    def test_windows_are_readings_of_now(self):
        iso = "2026-11-21T00:50:24.528743+00:00"
        found = answers.usage(
            limits(
                five_hour={"utilization": 25, "resets_at": iso},
                seven_day={"utilization": 100.0, "resets_at": "2026-11-24T22:00:00+00:00"},
                seven_day_opus=None,
                seven_day_sonnet={"utilization": 0, "resets_at": None},
            ),
            NOW,
        )
        assert found.readings["five_hour"].resets_at == datetime.fromisoformat(iso)
        assert shown(found.readings) | {"five_hour": None} == {
            "five_hour": None,
            "seven_day": (1.0, 96 * HOURS, "rejected"),
            "seven_day_sonnet": (0.0, None, None),
        }
        assert {one.source for one in found.readings.values()} == {"refresh"}
        assert found.extra is None

    def test_paid_usage_is_told_but_is_no_window(self):
        extra = {"is_enabled": True, "monthly_limit": 5000, "used_credits": 12, "utilization": 100}
        found = answers.usage(limits(extra_usage={**extra, "resets_at": None}), NOW)
        assert found.readings == {}
        assert found.extra == {"is_enabled": True, "used_credits": 12}

    def test_the_newer_form_lists_its_windows(self):
        told = [
            {"kind": "session", "percent": 30, "resets_at": "2026-11-21T00:00:00Z"},
            {"kind": "weekly_all", "percent": 50, "resets_at": None},
            {"kind": "weekly_scoped", "percent": 99, "scope": {"model": {"id": "claude-opus-4"}}},
            {
                "kind": "weekly_scoped",
                "percent": 60,
                "scope": {"model": {"display_name": "Claude Opus 4.5"}},
            },
            {"kind": "weekly_scoped", "percent": 5, "scope": {"model": {"display_name": "Fable"}}},
            {"kind": "weekly_scoped", "percent": 5, "scope": None},
            {"kind": "of another planet", "percent": 5},
            {"percent": 5},
            None,
        ]
        assert shown(answers.usage(limits(limits=told), NOW).readings) == {
            "five_hour": (0.3, 2 * HOURS, None),
            "seven_day": (0.5, None, None),
            "seven_day_opus": (0.99, None, None),
            "seven_day_fable": (0.05, None, None),
        }

    def test_the_plain_form_counts_where_both_are_told(self):
        told = [{"kind": "session", "percent": 30}, {"kind": "weekly_all", "percent": 31}]
        plain = {"utilization": 40, "resets_at": None}
        found = answers.usage(limits(limits=told, five_hour=plain, seven_day=None), NOW)
        assert shown(found.readings) == {
            "five_hour": (0.4, None, None),
            "seven_day": (0.31, None, None),
        }

    @pytest.mark.parametrize("used", NO_SHARE)
    def test_a_window_without_a_share_is_passed_over(self, used):
        told = {"utilization": used, "resets_at": None}
        assert answers.usage(limits(five_hour=told), NOW).readings == {}
        assert (
            answers.usage(limits(limits=[{"kind": "session", "percent": used}]), NOW).readings == {}
        )

    @pytest.mark.parametrize("resets_at", NO_RESET)
    def test_a_share_without_a_reset_is_still_worth_something(self, resets_at):
        told = {"utilization": 12, "resets_at": resets_at}
        assert shown(answers.usage(limits(five_hour=told), NOW).readings) == {
            "five_hour": (0.12, None, None)
        }

    def test_other_lines_around_the_answer_do_not_matter(self):
        noise = b'{"type":"system","subtype":"init"}\nWarning: x\n\xff\n'
        text = noise + limits(five_hour={"utilization": 1, "resets_at": None}) + b"\n" + noise
        assert list(answers.usage(text, NOW).readings) == ["five_hour"]

    def test_the_recorded_answer_of_a_client_that_was_offline(self):
        with pytest.raises(NoUsage, match="could not reach the service"):
            answers.usage(RECORDED.read_bytes(), NOW)

    def test_a_login_without_windows_is_told(self):
        with pytest.raises(NoUsage, match="no usage windows to ask for") as refused:
            answers.usage(limits(available=False), NOW)
        assert refused.value.hint

    def test_a_refusal_is_told_in_the_clients_words(self):
        event = {"subtype": "error", "request_id": "ccs", "error": "Unsupported subtype"}
        text = json.dumps({"type": "control_response", "response": event}).encode()
        with pytest.raises(NoUsage, match="Unsupported subtype"):
            answers.usage(text, NOW)

    @pytest.mark.parametrize("text", [*NO_OBJECTS, answer(None), answer([]), answer("x", "wow")])
    def test_whatever_else_it_is_cannot_be_understood(self, text):
        with pytest.raises(NoUsage, match="could be understood"):
            answers.usage(text, NOW)


class TestCcusage:
    BLOCK = {"isActive": True, "isGap": False, "endTime": "2026-11-21T00:00:00.000Z"}

    def told(self, **changes):
        return json.dumps({"blocks": [{**self.BLOCK, **changes}]}, indent=2).encode()

    def test_the_active_block_is_a_guess(self):
        found = answers.block(self.told(), NOW)
        assert found.record() == {
            "source": "ccusage",
            "status": None,
            "utilization": None,
            "resets_at": "2026-11-21T00:00:00.000Z",
            "seen_at": "2026-11-20T22:00:00.000Z",
        }
        assert found.guessed

    @pytest.mark.parametrize(
        "changes",
        [
            {"isActive": False},
            {"isActive": "yes"},
            {"isGap": True},
            {"endTime": None},
            {"endTime": "2026-11-20T21:59:59Z"},
            {"endTime": "later"},
        ],
    )
    def test_no_other_block_counts(self, changes):
        assert answers.block(self.told(**changes), NOW) is None

    @pytest.mark.parametrize("text", [*NO_OBJECTS, b'{"blocks":[]}', b'{"blocks":[[],null]}'])
    def test_whatever_else_it_is_says_nothing(self, text):
        assert answers.block(text, NOW) is None


NAMES = st.sampled_from(
    [
        *("rate_limits", "five_hour", "seven_day", "used_percentage", "utilization", "resets_at"),
        *("limits", "kind", "percent", "scope", "model", "display_name", "extra_usage", "blocks"),
        *("isActive", "endTime", "type", "response", "subtype", "rate_limits_available"),
    ]
)
VALUES = st.sampled_from(
    [*NO_SHARE, *NO_RESET, 40, EPOCH, "success", "control_response", "weekly_scoped", "\ud800"]
)
TREES = st.recursive(
    VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5)
)


@settings(derandomize=True, deadline=None)
@given(tree=TREES)
def test_no_tree_of_known_words_raises_anything_but_no_usage(tree):
    text = json.dumps(tree).encode()
    answers.status_line(text, NOW)
    answers.block(text, NOW)
    for told in (text, answer({"rate_limits": tree}), limits(limits=tree, five_hour=tree)):
        try:
            found = answers.usage(told, NOW)
        except NoUsage:
            continue
        assert all(one.record() for one in found.readings.values())
