"""`ccs usage` through the door: what a status line may do, what is shown, what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ccs import instant
from ccs.store.home import Home
from ccs.store.lock import Lock

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
RECORDED = Path(__file__).parents[1] / "claude/streams/ctl_get_usage_cred.stdout.jsonl"
WEEKLY = "You've hit your weekly limit · resets in 3d"
BIRTH = "2026-11-01T00:00:00.000Z"
TASK = "7a5c0001-0000-4000-8000-000000000000"


def ahead(span=2 * HOUR):
    return int((datetime.now(UTC) + span).timestamp())


def line(used=40, span=2 * HOUR, **windows):
    told = windows or {"five_hour": {"used_percentage": used, "resets_at": ahead(span)}}
    return json.dumps({"session_id": "s", "rate_limits": told})


def failed(error, message=None):
    event = {"hook_event_name": "StopFailure", "error": error, "last_assistant_message": message}
    return json.dumps(event)


def account(program, name="default"):
    [found] = program.ok("usage", "--account", name, "--json").json["accounts"]
    return found


def windows(program, name="default"):
    return {one["window"]: one for one in account(program, name)["windows"]}


def quiet(done, code=0):
    assert (done.code, done.out, done.err) == (code, "", "")


class TestRecord:
    def test_it_prints_nothing_and_writes_only_news(self, ccs):
        text, kept = line(42), ccs.store / "usage.json"
        quiet(ccs("usage", "record", stdin=text))
        before = kept.stat()
        quiet(ccs("usage", "record", stdin=text))
        after = kept.stat()
        assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)
        quiet(ccs("usage", "record", stdin=line(43)))
        assert windows(ccs)["five_hour"]["utilization"] == 0.43

    def test_it_loads_no_models(self, ccs):
        code = "import sys; from ccs.entry import main; sys.argv = ['ccs', *sys.argv[1:]]\n"
        code += "try: main()\nexcept SystemExit: print(*sys.modules)"
        for words in (("record",), ("record", "--", "true"), ("hook",)):
            done = subprocess.run(
                [sys.executable, "-P", "-c", code, "usage", *words],
                env=ccs.env,
                input=line(),
                capture_output=True,
                text=True,
                check=True,
            )
            loaded = {name.partition(".")[0] for name in done.stdout.split()}
            assert "click" in loaded
            assert not loaded & {"pydantic", "pydantic_core", "croniter", "psutil"}
            assert "ccs.model.run" not in done.stdout
        assert (ccs.store / "usage.json").exists()

    def test_accounts_are_apart(self, ccs):
        quiet(ccs("usage", "record", "--account", "work", stdin=line(7)))
        assert windows(ccs, "work")["five_hour"]["utilization"] == 0.07
        assert account(ccs)["windows"] == []

    def test_a_command_gets_the_same_input_and_says_what_is_shown(self, ccs):
        text = "ünicode \0\n\n"
        done = ccs("usage", "record", "--", "sh", "-c", "cat; echo er >&2; exit 3", stdin=text)
        assert (done.code, done.out, done.err) == (3, text, "er\n")
        text = line(42)
        done = ccs("usage", "record", "sh", "-c", "cat; exit 0", "--help", stdin=text)
        assert (done.code, done.out) == (0, text)
        assert windows(ccs)["five_hour"]["utilization"] == 0.42

    def test_a_command_gets_all_of_an_endless_input(self, ccs):
        text = "x" * (3 << 20)
        done = ccs("usage", "record", "--", "wc", "-c", stdin=text)
        assert (done.code, done.out.strip()) == (0, str(3 << 20))
        quiet(ccs("usage", "record", "--", "true", stdin=text), 0)

    @pytest.mark.parametrize(
        ("command", "code", "words"),
        [
            (["no-such-command"], 127, "no-such-command: No such file"),
            (["/etc/passwd"], 127, "Permission denied"),
            (["sh", "-c", "kill -9 $$"], 137, ""),
        ],
    )
    def test_a_command_that_fails_is_still_recorded(self, ccs, command, code, words):
        done = ccs("usage", "record", "--", *command, stdin=line(42))
        assert (done.code, done.out) == (code, "")
        assert words in done.err
        assert windows(ccs)["five_hour"]["utilization"] == 0.42

    @pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"rate_limits":7}', "x" * (2 << 20)])
    @pytest.mark.parametrize("what", ["record", "hook"])
    def test_what_makes_no_sense_is_nothing(self, ccs, what, text):
        quiet(ccs("usage", what, stdin=text))
        quiet(ccs("usage", what))
        assert not (ccs.store / "usage.json").exists()

    def test_no_store_is_made_for_nothing(self, ccs, tmp_path):
        new = tmp_path / "new"
        quiet(ccs("usage", "record", stdin="{}", CCS_HOME=str(new)))
        assert not new.exists()
        quiet(ccs("usage", "record", stdin=line(), CCS_HOME=str(new)))
        assert oct(new.stat().st_mode)[-3:] == "700"

    @pytest.mark.parametrize("what", ["record", "hook"])
    @pytest.mark.parametrize("broken", ["ledger", "writable", "file", "newer"])
    def test_a_broken_store_breaks_no_status_line(self, ccs, what, broken):
        kept = ccs.store / "usage.json"
        if broken == "ledger":
            ccs.files({"store/usage.json": "{"})
        elif broken == "newer":
            ccs.files({"store/usage.json": '{"format": 99, "accounts": []}'})
        elif broken == "writable":
            ccs.store.chmod(0o777)
        else:
            (ccs.store / "settings.json").unlink()
            ccs.store.rmdir()
            ccs.store.write_text("")
        before = kept.read_bytes() if kept.exists() else None
        text = line() if what == "record" else failed("authentication_failed")
        quiet(ccs("usage", what, stdin=text))
        assert (kept.read_bytes() if kept.exists() else None) == before
        if what == "record":
            done = ccs("usage", "record", "--", "echo", "shown", stdin=text)
            assert (done.code, done.out, done.err) == (0, "shown\n", "")

    def test_a_locked_ledger_costs_a_number_and_no_more(self, ccs):
        home = Home(str(ccs.store))
        home.create()
        with Lock(home.usage_lock) as lock:
            assert lock.acquire()
            quiet(ccs("usage", "record", stdin=line()))
        assert not (ccs.store / "usage.json").exists()


class TestHook:
    def test_a_limit_holds_what_ccs_would_start(self, ccs):
        quiet(ccs("usage", "hook", stdin=failed("rate_limit", WEEKLY)))
        found = account(ccs)
        assert (found["state"], found["windows"][0]["source"]) == ("limited", "hook")
        assert found["until"] == found["windows"][0]["resets_at"]

    def test_a_broken_login_is_an_outage(self, ccs):
        quiet(ccs("usage", "hook", stdin=failed("authentication_failed", "Not logged in")))
        found = account(ccs)
        assert (found["state"], found["reason"], found["message"]) == (
            *("outage", "auth", "Not logged in"),
        )
        assert [one["kind"] for one in found["alarms"]] == ["outage"]

    def test_an_unknown_text_is_told_loudly(self, ccs):
        quiet(ccs("usage", "hook", stdin=failed("rate_limit", "Allotment \x1b[2J gone")))
        found = account(ccs)
        assert (found["state"], found["windows"]) == ("ok", [])
        assert "Allotment" in found["alarms"][0]["message"]
        shown = ccs.ok("usage", "-o", "table").out
        assert "an unknown limit text" in shown
        assert "\x1b" not in shown

    def test_a_throttle_is_nothing(self, ccs):
        text = "API Error: Server is temporarily limiting requests (not your usage limit) · x"
        quiet(ccs("usage", "hook", stdin=failed("rate_limit", text)))
        quiet(ccs("usage", "hook", stdin=failed("overloaded", "API Error: 529")))
        assert not (ccs.store / "usage.json").exists()


@pytest.fixture
def client(ccs):
    """`client(answer)`: ccs, with a client on PATH that answers so."""
    path = ccs.root / "bin" / "claude"
    ccs.files({"bin/answer": "", "bin/claude": '#!/bin/sh\ncat > /dev/null\ncat "$0.answer"\n'})
    path.chmod(0o700)
    ccs.env["PATH"] = f"{path.parent}:{ccs.env['PATH']}"
    ccs.settings(mock_mode=False)

    def made(answer):
        ccs.files({"bin/claude.answer": answer})
        return ccs

    return made


def told(**response):
    event = json.loads(RECORDED.read_text())
    event["response"]["response"].update(response)
    return json.dumps(event) + "\n"


class TestRefresh:
    LIMITS = {
        "five_hour": {"utilization": 25, "resets_at": "2099-11-21T00:50:24+00:00"},
        "seven_day_opus": None,
        "extra_usage": {"is_enabled": True, "used_credits": 3, "utilization": 1},
    }

    def test_what_the_client_says_is_kept_and_shown(self, client):
        ccs = client(told(rate_limits=self.LIMITS))
        found = ccs.ok("usage", "refresh").json
        assert [(one["window"], one["utilization"]) for one in found["learnt"]] == [
            ("five_hour", 0.25)
        ]
        assert found["extra_usage"] == {"is_enabled": True, "used_credits": 3}
        assert (found["account"], found["problem"], found["notes"]) == ("default", None, [])
        assert windows(ccs)["five_hour"]["source"] == "refresh"
        done = ccs.ok("usage", "refresh", "-o", "table")
        assert "25%  resets" in done.out
        assert "paid extra usage is on, 3 credits used" in done.err

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (RECORDED.read_text(), "could not reach the service"),
            (told(rate_limits_available=False), "no usage windows to ask for"),
            ("garbage\n", "no answer that could be understood"),
            ("", "no answer that could be understood"),
        ],
    )
    def test_why_the_client_told_nothing(self, client, answer, words):
        ccs = client(answer)
        done = ccs("usage", "refresh")
        assert (done.code, done.out, done.error["code"]) == (1, "", "no_usage")
        assert words in done.error["message"]
        assert done.error["hint"]

    def test_what_the_transcripts_tell_counts_all_the_same(self, client):
        ccs = client(RECORDED.read_text())
        moment = datetime.now(UTC) - MINUTE
        quota = {"status": "rejected", "rateLimitType": "five_hour", "resetsAt": ahead()}
        event = {
            **{"type": "assistant", "timestamp": instant.text(moment), "quotaLimits": quota},
            **{"apiError": "usage_limit_reached", "isApiErrorMessage": True, "message": {}},
        }
        written = json.dumps(event, separators=(",", ":")) + "\n"
        ccs.files({"home/.claude/projects/-p/a.jsonl": written})
        done = ccs.ok("usage", "refresh", "-o", "table")
        assert "warning: the client could not reach the service" in done.err
        assert "refused" in done.out
        assert account(ccs)["state"] == "limited"

    def test_without_a_client_there_is_nobody_to_ask(self, ccs):
        ccs.settings(mock_mode=False, claude_path="/nowhere/claude")
        assert ccs("usage", "refresh").code == 8

    def test_the_stand_in_is_not_asked(self, ccs):
        done = ccs("usage", "refresh")
        assert done.code == 1
        assert "stand-in" in done.error["message"]


class TestClear:
    def test_an_account_goes_on(self, ccs):
        ccs("usage", "hook", stdin=failed("authentication_failed"))
        ccs("usage", "hook", stdin=failed("rate_limit", WEEKLY))
        ccs("usage", "record", stdin=line())
        done = ccs.ok("usage", "clear")
        assert done.json["cleared"] == ["outage", "alarms", "the refusal of the seven_day window"]
        assert account(ccs)["state"] == "ok"
        assert sorted(windows(ccs)) == ["five_hour"]
        assert (
            ccs.ok("usage", "clear", "-o", "table").err == "there was nothing to clear of default\n"
        )

    def test_all_of_it(self, ccs):
        ccs("usage", "record", "--account", "work", stdin=line())
        ccs.ok("usage", "clear", "work", "--all")
        assert ccs("usage", "--account", "work").code == 3


def told_account(name="default", age=MINUTE, **windows):
    seen = instant.text(datetime.now(UTC) - age)
    kept = {}
    for window, (status, used, resets) in windows.items():
        reading = {
            "source": "event",
            "status": status,
            "utilization": used,
            "resets_at": instant.text(datetime.now(UTC) + resets),
            "seen_at": seen,
        }
        refusal = {"refusal": reading} if status == "rejected" else {}
        kept[window] = {"readings": [reading], **refusal}
    return {"id": name, "windows": kept}


class TestTheWholeOfIt:
    def keep(self, ccs, *accounts):
        ccs.files({"store/usage.json": json.dumps({"format": 1, "accounts": accounts})})

    def test_nothing_known_says_how_to_learn(self, quick):
        found = quick.ok("usage", "-o", "table").out
        assert found.startswith("Nothing is known")
        assert "ccs usage record" in found
        assert [one["windows"] for one in quick.ok("usage").json["accounts"]] == [[]]

    def test_a_window_whose_reset_has_passed_is_empty(self, quick):
        self.keep(quick, told_account(five_hour=("allowed", 0.8, -MINUTE), age=HOUR))
        found = windows(quick)["five_hour"]
        assert (found["utilization"], found["status"], found["resets_at"]) == (0.0, None, None)
        assert found["note"] == "has reset, nothing seen since"
        assert found["note"] in quick.ok("usage", "-o", "table").out

    def test_after_a_refusal_one_run_tries_first(self, quick):
        self.keep(quick, told_account(five_hour=("rejected", 1, -MINUTE), age=HOUR))
        found = account(quick)
        assert (found["state"], found["windows"][0]["status"]) == ("unproven", "unproven")
        assert "one run tries first" in quick.ok("usage", "-o", "table").out

    def test_a_window_of_one_model_does_not_limit_the_account(self, quick):
        self.keep(quick, told_account(seven_day_opus=("rejected", 1, HOUR)))
        found = account(quick)
        assert (found["state"], found["windows"][0]["status"]) == ("ok", "rejected")

    def test_of_two_refusals_the_longer_counts(self, quick):
        limits = {"five_hour": ("rejected", 1, HOUR), "seven_day": ("rejected", 1, 9 * HOUR)}
        self.keep(quick, told_account(**limits))
        found = account(quick)
        assert found["state"] == "limited"
        assert found["until"] == windows(quick)["seven_day"]["resets_at"]

    def test_paid_credits_are_told_before_the_limit(self, quick):
        known = told_account(five_hour=("rejected", 1, HOUR))
        self.keep(quick, {**known, "overage": {"since": BIRTH}})
        found = account(quick)
        assert (found["state"], found["since"]) == ("overage", BIRTH)
        assert found["until"]

    def test_the_accounts_of_profiles_are_known_before_they_are_used(self, quick):
        quick.ok("profiles", "create", "--name", "work", "--account", "company")
        self.keep(quick, told_account("old", five_hour=("allowed", 0.1, HOUR)))
        names = [one["account"] for one in quick.ok("usage").json["accounts"]]
        assert names == ["default", "company", "old"]

    def test_what_is_held_is_listed_under_its_account(self, quick):
        task = {"id": TASK, "name": "nightly", "prompt": "x", "created_at": BIRTH}
        quick.save("tasks", {**task, "updated_at": BIRTH, "active_since": BIRTH})
        run = {"task_id": TASK, "trigger": "schedule", "scheduled_time": BIRTH}
        ids = [f"4c10000{number}-0000-4000-8000-000000000000" for number in range(4)]
        reasons = ("limit", "overlap", "reserve", None)
        quick.save(
            "runs",
            *(
                {"id": one, "status": "upcoming", "held_reason": reason, **run}
                for one, reason in zip(ids, reasons, strict=True)
            ),
        )
        # mock mode: what the stand-in plays is no account of anybody
        assert account(quick, "mock")["parked"] == [
            {"run_id": ids[0], "task_name": "nightly", "reason": "limit", "not_before": None},
            {"run_id": ids[2], "task_name": "nightly", "reason": "reserve", "not_before": None},
        ]
        assert "waiting: nightly (limit)" in quick.ok("usage", "-o", "table").out

    @pytest.mark.parametrize("name", ["tasks", "jobs", "runs", "profiles", "settings"])
    def test_it_is_shown_while_everything_else_is_broken(self, quick, name):
        self.keep(quick, told_account(five_hour=("allowed", 0.2, HOUR)))
        quick.files({f"store/{name}.json": "{"})
        assert windows(quick)["five_hour"]["utilization"] == 0.2
        done = quick.ok("usage", "-o", "table")
        assert "20%" in done.out
        assert ("ccs health" in done.err) == (name != "profiles")

    @pytest.mark.parametrize(
        "known",
        [
            {"windows": None},
            {"windows": {"five_hour": None, "x": 7, "y": {"readings": [None, {}, 7]}}},
            {"outage": 7, "overage": [], "alarms": "x"},
            {"windows": {}, "outage": {}, "alarms": [None, 7, {"at": 7}]},
            {"outage": {"reason": ["x"], "since": "soon", "message": {"a": 1}}},
        ],
    )
    def test_what_a_hand_left_in_the_ledger_breaks_nothing(self, quick, known):
        self.keep(quick, {"id": "default", **known}, told_account("work", x=("allowed", 1, HOUR)))
        assert [one["account"] for one in quick.ok("usage").json["accounts"]] == ["default", "work"]
        assert "work: ok" in quick.ok("usage", "-o", "table").out
        quick.ok("usage", "clear")

    def test_a_broken_ledger_is_told(self, quick):
        quick.files({"store/usage.json": "{"})
        for words in (("usage",), ("usage", "clear")):
            done = quick(*words)
            assert (done.code, done.error["code"]) == (6, "broken_store")

    def test_asking_changes_nothing(self, quick):
        self.keep(quick, told_account(five_hour=("rejected", 1, HOUR)))
        before = quick.snapshot()
        quick.ok("usage")
        quick.ok("usage", "-o", "table")
        assert quick.snapshot() == before
        assert os.listdir(quick.home) == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("usage", "--account", "nobody"), 3, "nobody"),
        (("usage", "--account", ""), 2, "account"),
        (("usage", "--account", "a\nb"), 2, "account"),
        (("usage", "--account", "caf\udce9"), 2, "account"),
        (("usage", "--account", "x" * 5000), 2, "account"),
        (("usage", "-o", "jsonl"), 2, "jsonl"),
        (("usage", "nope"), 2, "nope"),
        (("usage", "--account", "x", "refresh"), 2, "ccs usage refresh"),
        (("usage", "--json", "clear"), 2, "ccs usage clear"),
        (("usage", "clear", "nobody"), 3, "nobody"),
        (("usage", "clear", "\x1b[2J"), 2, "account"),
        (("usage", "refresh", "--profile", "nobody"), 3, "no profile"),
        (("usage", "record", "--account", ""), 2, "account"),
        (("usage", "hook", "--account", "\t"), 2, "account"),
        (("usage", "hook", "more"), 2, "more"),
    ],
)
def test_what_makes_no_sense_is_refused(quick, words, code, said):
    done = quick(*words)
    assert (done.code, done.out) == (code, "")
    assert said in done.error["message"] + done.error.get("hint", "")


def test_a_run_by_hand_at_a_limit_says_until_when_it_waits(ccs):
    # The stand-in has an account of its own.
    ccs("usage", "hook", "--account", "mock", stdin=failed("rate_limit", WEEKLY))
    done = ccs.ok("tasks", "run", ccs.task("x"), "-o", "table")
    assert "waits (limit until 20" in done.err
    assert "a tick starts it" in done.err


def test_what_another_source_said_stands_beside_a_refusal(ccs):
    ccs("usage", "record", stdin=line(used=62))
    ccs("usage", "hook", stdin=failed("rate_limit", "You've hit your session limit"))
    shown = ccs.ok("usage", "-o", "table").out
    assert "refused" in shown
    assert "but status_line said 62%" in shown
    assert "but hook" not in shown


@pytest.mark.parametrize(
    ("name", "content"),
    [("usage", "{"), ("limit-texts", "{"), ("limit-texts", '{"texts": 7}'), ("cursors", "[")],
)
def test_health_names_what_cannot_be_read(quick, name, content):
    quick.ok("usage")
    quick.files({f"store/{name}.json": content})
    done = quick("health")
    assert done.code == 6
    assert any(f"{name}.json" in problem for problem in done.json["problems"])


def test_the_hook_leaves_runs_of_ccs_to_ccs(quick):
    """Their supervisor hears the same, and knows whose login it is."""
    quick("usage", "hook", stdin=failed("authentication_failed"), CCS_RUN_ID="a run of ours")
    assert not (quick.store / "usage.json").exists()
    quick("usage", "hook", stdin=failed("authentication_failed"))
    assert (quick.store / "usage.json").exists()
