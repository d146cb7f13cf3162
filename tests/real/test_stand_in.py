"""The stand-in of the Messages API, proved with the real client run directly."""

import json
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
import uuid
from typing import NamedTuple

import pytest
from messages_api import MessagesApi, directive_of

LONG = 60  # seconds no test waits for when all is well


class Run(NamedTuple):
    exit_code: int
    events: list

    def of(self, kind):
        return [event for event in self.events if event["type"] == kind]

    @property
    def result(self):
        return self.of("result")[-1]

    @property
    def limit(self):
        return self.of("rate_limit_event")[-1]["rate_limit_info"]


@pytest.fixture
def start(client, client_env, tmp_path):
    """start(prompt, *flags, **environment) -> a running client, ended with the test."""
    work = tmp_path / "work"
    work.mkdir()
    started = []

    def begin(prompt, *flags, **environment):
        argv = [client, "-p", "--output-format", "stream-json", "--verbose", *flags]
        told = tmp_path / f"prompt-{len(started)}"
        told.write_text(prompt)
        with told.open() as stdin:
            process = subprocess.Popen(
                argv,
                cwd=work,
                env=client_env | environment,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def run(start):
    """run(prompt, *flags, **environment) -> the Run, when it has ended."""
    return lambda *told, **environment: ended(start(*told, **environment))


def ended(process):
    stdout, _ = process.communicate(timeout=LONG)
    return Run(process.returncode, [json.loads(line) for line in stdout.splitlines()])


def side_by_side(start, prompts):
    return [ended(process) for process in [start(prompt) for prompt in prompts]]


def until(true):
    end = time.monotonic() + LONG
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


# --- what a directive means


def turn(*content):
    return {"role": "user", "content": list(content)}


def text(words):
    return {"type": "text", "text": words}


TOOL_USE = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "Bash"}]}
TOOL_RESULT = turn({"type": "tool_result", "tool_use_id": "t"})


def active(*messages):
    found = directive_of({"messages": list(messages)})
    return found.kind, found.options, found.final


@pytest.mark.parametrize(
    ("told", "options"),
    [
        ("[[stub: tool command=echo%20hi%20%3E%20f]]", {"command": "echo hi > f"}),
        ('[[stub: tool command="a \\"b\\" %20 [[ x ]]"]]', {"command": 'a "b" %20 [[ x ]]'}),
        ("x [[stub: tool command='a\\b' text=y]] z", {"command": "a\\b", "text": "y"}),
    ],
)
def test_values_are_percent_encoded_or_quoted(told, options):
    assert ("tool", options, False) == active(turn(text(told)))


def test_no_directive_is_a_reply():
    assert active({"role": "user", "content": "hello"}) == ("reply", {}, False)


@pytest.mark.parametrize(
    "told", ["[[stub: nonsense]]", "[[stub: reply text=]]", "[[stub: reply", "[[stub: tool]]"]
)
def test_what_cannot_be_read_is_not_taken_for_a_reply(told):
    assert active(turn(text(told)))[0] == "unreadable"


def test_a_later_directive_replaces_the_one_of_an_earlier_turn():
    merged = turn(text("[[stub: limit reset=9]]"), text("[[stub: reply text=b]]"), text("note"))
    assert active(merged) == ("reply", {"text": "b"}, False)


def test_a_tool_result_moves_to_the_next_step_and_then_to_the_end():
    told = turn(text("[[stub: tool command=a]] [[stub: 529]]"))
    assert active(told)[0] == "tool"
    assert active(told, TOOL_USE, TOOL_RESULT) == ("529", {}, False)
    assert active(told, TOOL_USE, TOOL_RESULT, TOOL_USE, TOOL_RESULT)[2]


def test_tool_results_of_an_earlier_turn_do_not_count():
    earlier = [turn(text("[[stub: tool command=a]]")), TOOL_USE, TOOL_RESULT]
    assert active(*earlier, turn(text("[[stub: tool command=b]]"))) == (
        "tool",
        {"command": "b"},
        False,
    )


# --- answers, as the real client takes them


def test_reply(run, api):
    told = run("[[stub: reply text='all well']]")
    assert (told.exit_code, told.result["is_error"]) == (0, False)
    assert told.result["result"] == "all well"
    assert [(each.path, each.session) for each in api.requests] == [
        ("/v1/messages?beta=true", told.result["session_id"])
    ]
    assert api.strays == []


def test_tool_runs_and_then_comes_the_reply(run, api, tmp_path):
    told = run(
        '[[stub: tool command="echo hi > made.txt" text=made]]',
        "--dangerously-skip-permissions",
    )
    assert told.result["result"] == "made"
    assert (tmp_path / "work/made.txt").read_text() == "hi\n"
    assert len(api.requests) == 2


def test_steps_of_one_turn(run, api, tmp_path):
    told = run(
        f'[[stub: write path="{tmp_path}/work/a" content="one two"]] [[stub: limit reset=600]]',
        "--dangerously-skip-permissions",
    )
    assert (tmp_path / "work/a").read_text() == "one two"
    assert told.result["api_error"] == "usage_limit_reached"
    assert len(api.requests) == 2


def test_limits_of_each_window(start, api):
    claims = ["five_hour", "seven_day_opus"]
    before = time.time()
    runs = side_by_side(start, [f"[[stub: limit reset=600 claim={claim}]]" for claim in claims])
    assert [told.limit["rateLimitType"] for told in runs] == claims
    for told in runs:
        assert (told.exit_code, told.result["is_error"]) == (1, True)
        assert told.result["api_error_status"] == 429
        assert told.result["api_error"] == "usage_limit_reached"
        assert told.limit["status"] == "rejected"
        assert before + 600 <= told.limit["resetsAt"] <= time.time() + 601
    assert len(api.requests) == len(claims)


def test_good_answers(start):
    warned, overage, slow = side_by_side(
        start,
        [
            "[[stub: reply status=allowed_warning util=0.93 threshold=0.9]]",
            "[[stub: reply status=rejected util=1 overage=allowed]]",
            "[[stub: slow seconds=1 text=late]]",
        ],
    )
    assert (warned.limit["status"], warned.limit["utilization"]) == ("allowed_warning", 0.93)
    assert (overage.limit["status"], overage.limit["isUsingOverage"]) == ("rejected", True)
    assert slow.result["result"] == "tick 1\nlate"
    assert not any(told.result["is_error"] for told in [warned, overage, slow])


def test_errors(start):
    expected = {
        "throttle": 429,
        "529": 529,
        "500": 500,
        "401": 401,
        "too_long": 400,
        "cut": None,
    }
    runs = side_by_side(start, [f"[[stub: {kind}]]" for kind in expected])
    told = dict(zip(expected, (each.result for each in runs), strict=True))
    assert {kind: each["api_error_status"] for kind, each in told.items()} == expected
    assert all(each.exit_code == 1 and each.result["is_error"] for each in runs)
    assert "usage_limit_reached" not in [each.get("api_error") for each in told.values()]
    assert runs[0].limit == {"status": "rejected", "isUsingOverage": False}  # and no window
    assert told["too_long"]["terminal_reason"] == "prompt_too_long"


def test_terminated_while_they_wait(start, api):
    waiting = [start("[[stub: slow seconds=30]]"), start("[[stub: hang]]")]
    until(lambda: len(api.requests) == len(waiting))
    time.sleep(0.2)
    before = time.monotonic()
    for process in waiting:
        process.terminate()
    assert [process.wait(LONG) for process in waiting] == [128 + signal.SIGTERM] * 2
    assert time.monotonic() - before < 5


# --- sessions


def test_a_limited_session_resumes(run, api):
    session = str(uuid.uuid4())
    assert run("[[stub: limit reset=600]]", "--session-id", session).exit_code == 1
    told = run("[[stub: reply text=resumed]]", "--resume", session)
    assert (told.exit_code, told.result["result"]) == (0, "resumed")
    assert [request.session for request in api.requests] == [session] * 2


def test_one_window_for_all_sessions(start, run, client_env):
    with MessagesApi(window=2, window_seconds=600) as api:
        client_env["ANTHROPIC_BASE_URL"] = api.url
        passed = side_by_side(start, ["hello", "hello"])
        refused = run("hello")
        assert [told.exit_code for told in passed] == [0, 0]
        assert sorted(five_hour(told)["utilization"] for told in passed) == [0.5, 1]
        assert refused.exit_code == 1
        assert refused.result["api_error"] == "usage_limit_reached"
        assert len({five_hour(told)["resetsAt"] for told in [*passed, refused]}) == 1
        api.open_window()
        assert run("go on", "--resume", refused.result["session_id"]).exit_code == 0


def five_hour(told):
    return told.limit["unifiedWindows"]["five_hour"]


# --- the server by itself


def post(url, words="hello", session="s"):
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": words}]}).encode()
    asked = urllib.request.Request(url, body, {"x-claude-code-session-id": session})
    with urllib.request.urlopen(asked, timeout=LONG) as answer:
        return json.load(answer)["content"][0]["text"]


def refused_until(url, *told):
    with pytest.raises(urllib.error.HTTPError) as refused:
        post(url, *told)
    refused.value.close()
    assert refused.value.code == 429
    return int(refused.value.headers["anthropic-ratelimit-unified-reset"])


@pytest.mark.parametrize(
    ("kind", "status"), [("403", 403), ("404", 404), ("credit", 400), ("500 retry_after=7", 500)]
)
def test_errors_no_client_is_needed_for(api, kind, status):
    with pytest.raises(urllib.error.HTTPError) as refused:
        post(f"{api.url}/v1/messages", f"[[stub: {kind}]]")
    refused.value.close()
    assert refused.value.code == status
    assert refused.value.headers["retry-after"] == ("7" if status == 500 else None)


def test_times_lets_the_limit_pass(api):
    route, told = f"{api.url}/v1/messages", "[[stub: limit claim=seven_day times=1 text=through]]"
    refused_until(route, told)
    assert post(route, told) == "through"


def test_a_window_opens_again_by_itself():
    with MessagesApi(window=1, window_seconds=0.5) as api:
        route = f"{api.url}/v1/messages"
        assert post(route) == "done"
        time.sleep(refused_until(route) - time.time())
        assert post(route) == "done"


def test_a_limit_holds_for_its_session_until_the_told_moment(api):
    route, told = f"{api.url}/v1/messages", "[[stub: limit reset=0.5]]"
    reset = refused_until(route, told)
    assert refused_until(route, told) == reset
    time.sleep(reset - time.time())
    assert post(route, told) == "done"
    assert refused_until(route, told, "another session") > reset


def test_an_unknown_route_is_404(api):
    with pytest.raises(urllib.error.HTTPError) as refused:
        post(f"{api.url}/v1/messages/count_tokens")
    refused.value.close()
    assert (refused.value.code, api.requests) == (404, [])
    assert api.strays == ["POST /v1/messages/count_tokens"]


def test_close_is_quick_and_leaves_no_thread():
    before = set(threading.enumerate())
    api = MessagesApi()
    ended = []

    def call(words):
        try:
            post(f"{api.url}/v1/messages", words)
        except OSError:
            ended.append(words)

    told = ["[[stub: hang]]", "[[stub: hang]]"]
    callers = [threading.Thread(target=call, args=(words,)) for words in told]
    for caller in callers:
        caller.start()
    until(lambda: len(api.requests) == len(told))
    start = time.monotonic()
    api.close()
    for caller in callers:
        caller.join()
    until(lambda: set(threading.enumerate()) <= before)
    assert time.monotonic() - start < 1
    assert told == ended
