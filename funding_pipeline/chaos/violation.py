"""A broken rule.

What lives here: the value. What does not: the rules (`audit`, `final_audit`).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Violation:
    """`rule` is the name of the campaign's count; `text` tells a person what happened."""

    rule: str
    text: str
