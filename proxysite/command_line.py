"""`manage.py` as operators read it: our commands first, and of each only its own options."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

from django.core.management import ManagementUtility, get_commands, load_command_class
from django.core.management.base import BaseCommand

OWN_APPS = ("bridge", "dashboard")
OF_DJANGO = {
    "version",
    "verbosity",
    "settings",
    "pythonpath",
    "traceback",
    "no_color",
    "force_color",
    "skip_checks",
}
"""Options that every command of Django has. They work as ever."""


class CommandLine(ManagementUtility):
    """Django's, whose help begins with the commands of the gateway."""

    def main_help_text(self, commands_only: bool = False) -> str:
        commands = dict(get_commands())
        if commands_only:
            return "\n".join(sorted(commands))
        own = sorted(name for name, app in commands.items() if app in OWN_APPS)
        width = max(map(len, own)) + 2
        return "\n".join(
            (
                f"{self.prog_name} COMMAND [--help]",
                "",
                *(f"  {name:{width}}{_purpose(commands[name], name)}" for name in own),
                "",
                "Django's:",
                "",
                *_filled(sorted(name for name in commands if name not in own)),
            )
        )

    def fetch_command(self, subcommand: str) -> BaseCommand:
        command = super().fetch_command(subcommand)
        if get_commands().get(subcommand) in OWN_APPS:
            own: Any = command
            own.create_parser = partial(_short_parser, command.create_parser)
        return command


def _purpose(app: str | BaseCommand, name: str) -> str:
    """The first sentence of a command's help."""
    command = app if isinstance(app, BaseCommand) else load_command_class(app, name)
    return " ".join(command.help.split()).partition(". ")[0].removesuffix(".")


def _filled(names: list[str], width: int = 78) -> list[str]:
    """Names in lines of so many characters."""
    lines = [" "]
    for name in names:
        if len(lines[-1]) + len(name) + 1 > width:
            lines.append(" ")
        lines[-1] += f" {name}"
    return lines


def _short_parser(create: Callable[..., Any], *given: Any, **named: Any) -> Any:
    parser = create(*given, **named)
    for action in parser._actions:
        if action.dest in OF_DJANGO:
            action.help = argparse.SUPPRESS
    return parser
