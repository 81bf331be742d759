"""`manage.py export_config`: the operators' configuration as YAML, on standard output."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from bridge.configuration import yaml_file


class Command(BaseCommand):
    help = "Print backends, models, aliases, tool names and prices as YAML, without stored keys."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(yaml_file.export(), ending="")
