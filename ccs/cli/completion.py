"""ccs completion"""

from __future__ import annotations

import os
import sys

import click

_PROGRAMS = ("ccs", "claude-code-scheduler")


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish", "powershell"]))
def completion(shell: str) -> None:
    """Print what makes a shell complete commands, options, and the names in your store.

    It completes the name it is called by: for the long name, claude-code-scheduler, call that.

    \b
    bash (4.4 or later, from then on):
      mkdir -p ~/.local/share/bash-completion/completions
      ccs completion bash > ~/.local/share/bash-completion/completions/ccs
    \b
    without the package bash-completion, in ~/.bashrc:
      eval "$(ccs completion bash)"
    \b
    zsh, in ~/.zshrc after compinit:
      eval "$(ccs completion zsh)"
    \b
    fish:
      ccs completion fish > ~/.config/fish/completions/ccs.fish
    \b
    PowerShell, in the file that $PROFILE names:
      ccs completion powershell | Out-String | Invoke-Expression
    """
    from ccs.cli import complete

    called = os.path.splitext(os.path.basename(sys.argv[0]))[0]
    program = called if called in _PROGRAMS else _PROGRAMS[0]
    # Bytes: on Windows text would get line ends that no shell there wants.
    script = complete.script(shell, program, click.get_current_context().find_root().command)
    click.echo(script.encode(), nl=False)
