"""Asking anew what the windows are like, and letting an account go on."""

from __future__ import annotations

import json
import os
import select
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from histories import task, uid
from usage_words import HOUR, MINUTE, WEEKLY, epoch, failed, line, stamp, used, windows

from ccs import instant
from ccs.engine import statusline, usage
from ccs.engine.accounts import Accounts
from ccs.errors import CcsError, NotFound
from ccs.host import asking
from ccs.model.profile import Profile
from ccs.model.run import Run
from ccs.model.settings import Settings
from ccs.usage.gate import Begun, Terms, held


@pytest.fixture
def client(tmp_path, store):
    """`client(shell)`: a client that does as the lines of shell say."""
    path = tmp_path / "bin" / "claude"
    path.parent.mkdir()

    def made(*lines):
        path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
        path.chmod(0o700)
        store.write_settings(Settings(claude_path=str(path)))
        return path.parent

    return made


def answering(**limits):
    """Lines that say so."""
    told = {"rate_limits_available": True, "rate_limits": limits}
    event = {"type": "control_response", "response": {"subtype": "success", "response": told}}
    return ["cat > /dev/null", f"cat <<'END'\n{json.dumps(event)}\nEND"]


FIVE_HOUR = {"utilization": 25, "resets_at": "2026-11-20T13:50:24.123456+00:00"}


@pytest.fixture
def environment(tmp_path):
    return {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "HOME": str(tmp_path / "home")}


def profile(store, name, **fields):
    born = "2026-11-01T00:00:00Z"
    made = Profile.checked(
        {"id": uid(len(store.profiles.all()) + 900), "name": name, **fields}
        | {"created_at": born, "updated_at": born}
    )
    store.profiles.put(made)
    return made


def told(refreshed):
    return [(account, name, one.source) for account, name, one in refreshed.learnt]


class TestRefresh:
    def test_the_client_is_asked_without_a_prompt_and_in_a_neutral_place(
        self, store, client, environment, now
    ):
        bin = client(
            'd=$(dirname "$0")', 'echo "$@" > $d/argv', "pwd > $d/pwd", "tee $d/asked > $d/x",
            *answering(five_hour=FIVE_HOUR, seven_day=None),
        )  # fmt: skip
        found = usage.refresh(store, None, environment, now)
        assert told(found) == [("default", "five_hour", "refresh")]
        assert used(store.home, now) == 0.25
        assert (bin / "argv").read_text().split()[:2] == ["-p", "--input-format"]
        assert (bin / "pwd").read_text().strip() == store.home.path
        asked = json.loads((bin / "asked").read_text())
        assert asked["request"] == {"subtype": "get_usage", "skip_behaviors": True}

    def test_a_profile_is_asked_with_its_own_environment_and_account(
        self, store, client, environment, now
    ):
        bin = client('env > "$(dirname "$0")/env"', *answering(five_hour=FIVE_HOUR))
        variable = {"name": "SOME_TOKEN", "source": "static", "value": "abc"}
        profile(store, "work", config_dir="/cfg/work", env_vars=[variable])
        found = usage.refresh(store, "work", environment, now)
        assert told(found) == [("/cfg/work", "five_hour", "refresh")]
        variables = (bin / "env").read_text().splitlines()
        assert {"SOME_TOKEN=abc", "CLAUDE_CONFIG_DIR=/cfg/work"} <= set(variables)

    def test_without_a_name_the_default_profile_is_asked_for(self, store, client, environment, now):
        client(*answering(five_hour=FIVE_HOUR))
        one = profile(store, "work", account="company")
        settings = store.settings().changed(default_profile=one.id)
        store.write_settings(settings)
        assert usage.refresh(store, None, environment, now).account == "company"

    def test_a_full_window_refuses_and_a_freer_one_lifts_it(self, store, client, environment, now):
        client(*answering(five_hour={**FIVE_HOUR, "utilization": 100}))
        usage.refresh(store, None, environment, now)
        assert windows(store.home, now)["five_hour"].rejected
        client(*answering(five_hour=FIVE_HOUR))
        usage.refresh(store, None, environment, now + MINUTE)
        assert not windows(store.home, now)["five_hour"].rejected

    def test_one_that_hangs_is_ended_with_all_it_started(
        self, store, client, environment, now, tmp_path
    ):
        """A pipe that nobody writes to: whoever holds its other end open is still alive."""
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        read = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        client(f"exec 9>{pipe}; echo x >&9", "mkfifo $0.wait", "(cat $0.wait) &", "cat $0.wait")
        with pytest.raises(CcsError, match=r"did not end within 0\.3 s"):
            usage.refresh(store, None, environment, now, seconds=0.3)
        assert os.read(read, 10) == b"x\n"
        assert select.select([read], [], [], 30)[0], "somebody still has it open"
        assert os.read(read, 10) == b""  # closed: both are gone
        os.close(read)

    @pytest.mark.parametrize(
        ("lines", "words"),
        [
            (["echo garbage"], "could be understood"),
            (["exit 0"], "could be understood"),
            (['echo \'{"type":"control_response"}\''], "could be understood"),
            (["echo 'error: unknown option' >&2; exit 1"], "exit 1: error: unknown option"),
            (["kill -9 $$"], "signal 9"),
            (["yes 0123456789"], "printed without end"),
            (["yes >&2"], "printed without end"),
        ],
    )
    def test_whatever_else_it_does_is_told(self, store, client, environment, now, lines, words):
        client(*lines)
        with pytest.raises(CcsError) as refused:
            usage.refresh(store, None, environment, now)
        assert words in refused.value.message
        assert not os.path.exists(store.home.usage)

    def test_an_answer_counts_however_the_client_ends(self, store, client, environment, now):
        client(*answering(five_hour=FIVE_HOUR), "exit 3")
        assert told(usage.refresh(store, None, environment, now))

    def test_a_secret_of_the_profile_is_not_told(self, store, client, environment, now):
        client('echo "bad token $TOKEN" >&2', "exit 1")
        variable = {"name": "TOKEN", "source": "static", "value": "canary-secret"}
        profile(store, "work", env_vars=[variable])
        with pytest.raises(CcsError) as refused:
            usage.refresh(store, "work", environment, now)
        assert "bad token ********" in refused.value.message

    def test_the_stand_in_is_not_asked(self, store, client, environment, now):
        client(*answering(five_hour=FIVE_HOUR))
        store.write_settings(store.settings().changed(mock_mode=True))
        with pytest.raises(CcsError, match="stand-in"):
            usage.refresh(store, None, environment, now)
        profile(store, "mocked", claude_path="mock")
        store.write_settings(store.settings().changed(mock_mode=False))
        with pytest.raises(CcsError, match="stand-in"):
            usage.refresh(store, "mocked", environment, now)

    def test_a_variable_that_cannot_be_had_is_told(self, store, client, environment, now):
        client(*answering(five_hour=FIVE_HOUR))
        variable = {"name": "TOKEN", "source": "env", "value": "NOT_THERE"}
        profile(store, "work", env_vars=[variable])
        with pytest.raises(CcsError, match="NOT_THERE is not set"):
            usage.refresh(store, "work", environment, now)

    def test_nobody_knows_that_profile(self, store, environment, now):
        with pytest.raises(NotFound):
            usage.refresh(store, "nobody", environment, now)


def transcript(config, *events):
    path = Path(config) / "projects" / "-p" / "a.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        for event in events:
            file.write(json.dumps(event, separators=(",", ":")) + "\n")


def said(moment, tokens=100):
    counts = {"input_tokens": tokens, "output_tokens": 0}
    return {
        "type": "assistant",
        "timestamp": instant.text(moment),
        "requestId": instant.text(moment),
        "message": {"id": instant.text(moment), "model": "m", "usage": counts},
    }


def refused(moment, resets_at, **quota):
    quota = {"status": "rejected", "rateLimitType": "five_hour", **quota}
    limit = {"apiError": "usage_limit_reached", "isApiErrorMessage": True}
    if resets_at:
        quota["resetsAt"] = epoch(resets_at)
    return said(moment, 0) | limit | {"quotaLimits": quota}


class TestWhatTheMachineTells:
    @pytest.fixture
    def offline(self, client):
        """A client that cannot tell anything."""
        return client("exit 1")

    def test_a_limit_met_by_hand_counts_as_of_then(self, store, offline, environment, now):
        seen = now - 20 * MINUTE
        transcript(f"{environment['HOME']}/.claude", refused(seen, now + HOUR))
        found = usage.refresh(store, None, environment, now)
        assert told(found) == [("default", "five_hour", "transcript")]
        assert "exit 1" in found.problem.message
        window = windows(store.home, now)["five_hour"]
        assert (window.best.seen_at, window.refused_until) == (
            seen,
            now + HOUR,
        )

    def test_what_is_over_or_older_than_what_is_known_changes_nothing(
        self, store, offline, environment, now
    ):
        config = f"{environment['HOME']}/.claude"
        transcript(
            config,
            refused(now - 7 * HOUR, now - 3 * HOUR),
            refused(now - 2 * HOUR, None),
            refused(now - 30 * MINUTE, now + HOUR),
        )
        statusline.record(store.home, "default", line(now, 12, ahead=4 * HOUR), now)
        usage.refresh(store, None, environment, now)
        window = windows(store.home, now)["five_hour"]
        assert (window.best.source, window.utilization) == ("status_line", 0.12)
        assert [one.source for one in window.readings] == ["status_line", "transcript"]

    def test_each_transcript_is_read_once(self, store, offline, environment, now):
        config = f"{environment['HOME']}/.claude"
        transcript(config, refused(now - 20 * MINUTE, now + HOUR))
        usage.refresh(store, None, environment, now)
        before = stamp(store.home)
        with pytest.raises(CcsError):  # nothing new, so the client's trouble is all there is
            usage.refresh(store, None, environment, now + MINUTE)
        assert stamp(store.home) == before

    @pytest.mark.parametrize("state", ["", "[]", "{", '{"form":1,"dirs":7}', "[" * 100_000])
    def test_it_begins_anew_when_nobody_knows_how_far(
        self, store, offline, environment, now, state
    ):
        Path(store.home.transcripts).write_text(state)
        os.chmod(store.home.transcripts, 0o600)
        transcript(f"{environment['HOME']}/.claude", refused(now - MINUTE, now + HOUR))
        assert told(usage.refresh(store, None, environment, now))
        assert json.loads(Path(store.home.transcripts).read_text())["dirs"]

    def test_what_cannot_be_kept_is_a_note(self, store, offline, environment, now):
        os.mkdir(store.home.transcripts)
        transcript(f"{environment['HOME']}/.claude", refused(now - MINUTE, now + HOUR))
        found = usage.refresh(store, None, environment, now)
        assert "could not be kept" in found.notes[-1]
        assert windows(store.home, now)["five_hour"].rejected

    def test_the_directory_of_a_profile_is_its_accounts(
        self, store, offline, environment, now, tmp_path
    ):
        profile(store, "work", config_dir=str(tmp_path / "cfg"), account="company")
        transcript(tmp_path / "cfg", refused(now - MINUTE, now + HOUR))
        transcript(f"{environment['HOME']}/.claude", said(now - 2 * HOUR))
        assert told(usage.refresh(store, None, environment, now)) == [
            ("company", "five_hour", "transcript"),
            ("default", "five_hour", "estimate"),
        ]

    def test_own_use_tells_about_when_the_window_ends(self, store, offline, environment, now):
        begun = (now - 2 * HOUR).replace(second=0)
        transcript(
            f"{environment['HOME']}/.claude",
            said(now - 9 * HOUR), said(begun), said(now - HOUR),
        )  # fmt: skip
        usage.refresh(store, None, environment, now)
        window = windows(store.home, now)["five_hour"]
        assert window.best.record() | {"seen_at": None} == {
            "source": "estimate",
            "status": None,
            "utilization": None,
            "resets_at": instant.text(begun + 5 * HOUR),
            "seen_at": None,
        }

    def test_use_from_before_a_known_reset_counts_for_nothing(
        self, store, offline, environment, now
    ):
        statusline.record(
            store.home, "default", line(now - 3 * HOUR, 80, ahead=2 * HOUR), now - 3 * HOUR
        )
        begun = (now - 30 * MINUTE).replace(second=0)
        transcript(f"{environment['HOME']}/.claude", said(now - 4 * HOUR), said(begun))
        usage.refresh(store, None, environment, now)
        [guess] = [one for one in windows(store.home, now)["five_hour"].readings if one.guessed]
        assert guess.resets_at == begun + 5 * HOUR

    def test_ccusage_is_a_second_opinion(self, store, offline, environment, now):
        ccusage = offline / "ccusage"
        block = {"isActive": True, "isGap": False, "endTime": instant.text(now + HOUR)}
        answer = json.dumps({"blocks": [block]})
        ccusage.write_text(f"#!/bin/sh\necho \"$@\" > $0.argv\necho '{answer}'\n")
        ccusage.chmod(0o700)
        found = usage.refresh(store, None, environment, now)
        assert told(found) == [("default", "five_hour", "ccusage")]
        assert windows(store.home, now)["five_hour"].resets_at == now + HOUR
        assert (offline / "ccusage.argv").read_text().split() == [
            *("blocks", "--active", "--json", "--offline")
        ]

    def test_ccusage_that_fails_is_a_note(self, store, client, environment, now):
        bin = client(*answering(five_hour=FIVE_HOUR))
        (bin / "ccusage").write_text("#!/bin/sh\nexit 7\n")
        (bin / "ccusage").chmod(0o700)
        found = usage.refresh(store, None, environment, now)
        assert found.notes == ["ccusage told nothing: it ended with exit 7"]
        assert told(found) == [("default", "five_hour", "refresh")]


class TestClear:
    def test_an_outage_and_its_alarm_are_gone(self, store, now):
        statusline.hook(store.home, "default", failed("authentication_failed"), now)
        assert usage.clear(store, "default", now) == ["outage", "alarms"]
        cleared = {"id": "default", "windows": {}, "cleared_at": instant.text(now)}
        assert store.ledger.account("default") == cleared

    @pytest.mark.parametrize("ahead", [timedelta(0), 3 * HOUR])
    def test_a_refusal_holds_nobody_any_more_whenever_it_was_seen(self, store, now, ahead):
        """Its clock may have been ahead; and a reserve must not take over."""
        statusline.hook(store.home, "default", failed("rate_limit", WEEKLY), now + ahead)
        assert usage.clear(store, "default", now) == ["the refusal of the seven_day window"]
        account = store.ledger.account("default")
        terms = Terms("0" * 8, "default", reserve={"seven_day": 0.5})
        assert held(account, terms, [], now) is None
        assert held(account, terms, [Begun(now, "default")], now) is None

    def test_a_parked_run_goes_on(self, store, now):
        statusline.hook(store.home, "default", failed("rate_limit", WEEKLY), now - HOUR)
        resume = Run.checked(
            {"id": uid(7), "task_id": uid(1), "trigger": "resume", "scheduled_time": now - HOUR}
            | {"parked_until": now + 60 * HOUR, "held_reason": "limit", "limit_type": "seven_day"}
        )

        def hold():
            return Accounts(store, lambda: {}, store.settings(), now).held(resume, task(), [])

        assert hold().reason == "limit"
        usage.clear(store, "default", now)
        assert hold() is None

    def test_the_windows_stay_unless_all_is_to_be_forgotten(self, store, now):
        statusline.record(store.home, "default", line(now), now)
        assert usage.clear(store, "default", now) == []
        assert used(store.home, now) == 0.4
        cleared = usage.clear(store, "default", now, everything=True)
        assert cleared == ["what was known of its windows"]
        assert windows(store.home, now) == {}

    def test_other_accounts_are_left_alone(self, store, now):
        for account in ("default", "work"):
            statusline.hook(store.home, account, failed("authentication_failed"), now)
        before = store.ledger.account("default")
        usage.clear(store, "work", now, everything=True)
        assert store.ledger.account("default") == before
        assert "outage" not in store.ledger.account("work")

    def test_nobody_knows_that_account(self, store, now):
        with pytest.raises(NotFound):
            usage.clear(store, "nobody", now)
        assert usage.clear(store, "default", now, everything=True) == []
        profile(store, "work", account="company")
        assert usage.clear(store, "company", now) == []


def test_a_program_that_wants_no_question_is_still_heard(tmp_path):
    code = "import os, sys; os.close(0); print('here')"
    variables = {"PATH": os.environ["PATH"]}
    answer = asking.ask([sys.executable, "-c", code], b"x" * 4096, str(tmp_path), variables, 30)
    assert (answer.out, answer.err, answer.fault) == (b"here\n", b"", "")
