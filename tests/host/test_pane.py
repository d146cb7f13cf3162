"""The pane of a run in tmux: only the run's own log is shown there."""

from __future__ import annotations

import os

import pytest

from ccs.host.pane import Pane


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_what_stands_in_the_place_of_a_log_is_neither_shown_nor_waited_for(tmp_path, kind):
    log, secret = tmp_path / "log", tmp_path / "secret"
    secret.write_text("of another\n")
    os.symlink(secret, log) if kind == "link" else os.mkfifo(log)
    pane = Pane(str(log))
    try:
        assert pane._copy(0) == 0
        log.unlink()
        log.write_text("own\n")
        assert pane._copy(0) == 4
    finally:
        os.close(pane._terminal)
