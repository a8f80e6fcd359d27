"""What an administrator keeps off the pages: the rules of ``--redaction_rules_file``."""

from __future__ import annotations

import json
import re
from pathlib import Path


class Redactor:
    """Rules in Impala's JSON: each replaces what it searches for, in texts that hold its trigger.

    Args:
        path: The file; empty for none.
    """

    def __init__(self, path: str) -> None:
        rules = json.loads(Path(path).read_text())["rules"] if path else []
        self._rules = [
            (
                rule.get("trigger", ""),
                re.compile(rule["search"], 0 if rule.get("caseSensitive", True) else re.IGNORECASE),
                rule["replace"],
            )
            for rule in rules
        ]

    def __call__(self, text: str) -> str:
        """Return *text* as the pages may show it."""
        for trigger, search, replacement in self._rules:
            if trigger in text:
                text = search.sub(replacement, text)
        return text
