"""`manage.py check_sign_in`: whether people can sign in with their company accounts."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from bridge.management.sign_in_check import FindingGrade, findings

CALLBACK = "/sign-in/callback/"


class Command(BaseCommand):
    help = "Ask the provider of OIDC_ISSUER what it is, and say what is missing."

    def handle(self, *args: Any, **options: Any) -> None:
        found = findings()
        for each in found:
            self.stdout.write(f"{each.grade:8} {each.subject}: {each.text}")
        base, path = settings.PUBLIC_URL, settings.BASE_PATH + CALLBACK
        address = f"{base}{CALLBACK}" if base else f"this gateway's, and {path} behind it"
        self.stdout.write(f"The address to register there: {address}")
        faults = sum(each.grade is FindingGrade.FAULT for each in found)
        if faults:
            raise CommandError(f"{faults} faults")
