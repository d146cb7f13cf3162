"""The real client's supervisor, killed at each stage of its run's life."""

import killer
import pytest

PROMPT = '[[stub: tool command="echo made > made.txt"]]'
VERIFIED = ("--verify", "test -e made.txt")
LOST = ("lost", "crash")
GOOD = ("success", None)


@pytest.mark.parametrize(
    ("where", "options", "outcome", "requests"),
    [
        ("ccs.engine.supervise:begin before", (), GOOD, {2}),
        ("ccs.engine.supervise:begin after", (), LOST, {0}),
        ("ccs.engine.clientcalls:ClientCalls._spawn after", (), LOST, {0}),
        ("ccs.engine.drain:Drain._stdout_line after", (), LOST, {0, 1, 2}),
        ("ccs.engine.work:learn.conclude before", (), GOOD, {2}),
        ("ccs.engine.work:learn.conclude before", VERIFIED, LOST, {2}),
        ("ccs.engine.supervise:_keep after", VERIFIED, GOOD, {2}),
        ("ccs.engine.work:commit after", (), GOOD, {2}),
        ("ccs.engine.supervise:settle.merge before", (), GOOD, {2}),
    ],
)
def test_it_is_called_once_and_told_as_it_was(ccs, api, where, options, outcome, requests):
    mark = killer.arm(ccs, where)
    run_id = ccs.launch(PROMPT, *options)
    ccs.until(mark.exists)
    ended = ccs.ticked_until_ended(run_id)
    ccs.ticking(lambda: not (ccs.store / "runs" / run_id).exists())
    assert (ended["status"], ended["reason"]) == outcome
    assert len(api.requests) in requests
    assert ccs.carriers(run_id) == []
    assert len(ccs.recorded()) == 1
