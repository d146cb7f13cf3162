"""ccs completion"""

from __future__ import annotations

import os
import sys

import click

_PROGRAMS = ("ccs", "claude-code-scheduler")


@click.command()
@click.argument("shell", metavar="SHELL", type=click.Choice(["bash", "zsh", "fish", "powershell"]))
def completion(shell: str) -> None:
    """Print what makes a shell complete commands, options, and the names in your store. SHELL is
    bash, zsh, fish or powershell.

    It completes the name it is called by: for the long name, claude-code-scheduler, call that.

    \b
    Examples:
      eval "$(ccs completion bash)"          in ~/.bashrc; or, where the package
                                             bash-completion is, once and for all:
      ccs completion bash > ~/.local/share/bash-completion/completions/ccs
      eval "$(ccs completion zsh)"           in ~/.zshrc, after compinit
      ccs completion fish > ~/.config/fish/completions/ccs.fish
      ccs completion powershell | Out-String | Invoke-Expression
                                             in the file that $PROFILE names

    bash has to be 4.4 or later, and the folders must be there (mkdir -p).
    """
    from ccs.cli import complete

    called = os.path.splitext(os.path.basename(sys.argv[0]))[0]
    program = called if called in _PROGRAMS else _PROGRAMS[0]
    # Bytes: on Windows text would get line ends that no shell there wants.
    script = complete.script(shell, program, click.get_current_context().find_root().command)
    click.echo(script.encode(), nl=False)
