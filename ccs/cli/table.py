"""The commands there are. Each is imported when it is called, so that `--help` imports none."""

from __future__ import annotations

# name -> (module, one line of help). In groups, what a newcomer needs first.
GROUPS = {
    "Tasks and their runs": {
        "tasks": ("ccs.cli.tasks", "Tasks: a prompt, how to run it, and when."),
        "jobs": ("ccs.cli.jobs", "Jobs: tasks that share a directory and can run in order."),
        "runs": ("ccs.cli.runs", "Runs: what was launched, how it ended, its log."),
        "profiles": ("ccs.cli.profiles", "Profiles: the environment and account of a run."),
    },
    "When they run, and why": {
        "why": ("ccs.cli.why", "Why a task ran or did not."),
        "plan": ("ccs.cli.plan", "What will run when, and what will be held or skipped."),
        "usage": ("ccs.cli.usage", "Usage windows: how much is used, and when they reset."),
        "schedule": ("ccs.cli.schedule", "Schedules: what one means, and when it is next."),
        "simulate": ("ccs.cli.simulate", "What would happen, minute by minute. Starts nothing."),
    },
    "The system's scheduler": {
        "install": ("ccs.cli.install", "Make the system's scheduler call ccs each minute."),
        "status": ("ccs.cli.install", "Whether the scheduler calls ccs, and what it lets it see."),
        "uninstall": ("ccs.cli.install", "Take that out again. Tasks, runs and logs stay."),
        "tick": ("ccs.cli.tick", "Run what is due. Called each minute by cron."),
    },
    "Upkeep": {
        "doctor": ("ccs.cli.doctor", "What is wrong with the store, and how to mend it."),
        "debug": ("ccs.cli.debug", "What helps when something is wrong: ccs debug all."),
        "settings": ("ccs.cli.settings", "Settings: what holds for all tasks of the store."),
        "notify": ("ccs.cli.notify", "Notifications: who is told of what, and what is still owed."),
        "import-store": ("ccs.cli.takeover", "Take over the store of the prior system."),
        "completion": ("ccs.cli.completion", "Completion for bash, zsh, fish and PowerShell."),
        "help": ("ccs.cli.help", "All commands, one of them, or a topic."),
        "version": ("ccs.cli.state", "The version of ccs, Python and the client."),
    },
    "For programs": {
        "health": ("ccs.cli.state", "Whether the store is readable and the tick is alive."),
        "state": ("ccs.cli.state", "Everything in the store, as JSON."),
        "scheduler": ("ccs.cli.state", "The last tick and when each task runs next."),
    },
}
COMMANDS = {name: one for group in GROUPS.values() for name, one in group.items()}
# What plain `ccs` shows: one screen of 24 lines.
_FIRST = """\
ccs COMMAND ...: cron for Claude Code, scheduled agent runs without a daemon.

First steps:
  ccs tasks create --daily 03:00 --prompt "Update the dependencies"
  ccs tasks run TASK --wait   try it now
  ccs install                 from now on the system calls ccs each minute
  ccs status                  whether it does, and what it can see

Every day:
{}

  ccs help                    all commands and options
  ccs help TOPIC              schedules, usage, profiles, exit-codes,
                              environment, files, contrib
  ccs COMMAND --help          one command, with examples"""
_EVERY_DAY = ("tasks", "jobs", "runs", "why", "plan", "usage", "doctor")


def first_screen() -> str:
    every_day = (f"  {name:7} {COMMANDS[name][1]}" for name in _EVERY_DAY)
    return _FIRST.format("\n".join(every_day))
