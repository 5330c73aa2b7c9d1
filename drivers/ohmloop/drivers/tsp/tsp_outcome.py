"""What the script says of a program, in one line."""

from __future__ import annotations

import re
from dataclasses import dataclass

_REPLY = re.compile(r"(\w+[-.]?\w*),(\d+),([a-z]+),(\d+),(\d+),(\d+)")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the script says of a program."""

    identity: str
    sequence: int
    state: str
    applied: int
    clipped: int
    errors: int

    @classmethod
    def parse(cls, reply: str) -> Outcome | None:
        """Read a reply; None if it cannot be one."""
        match = _REPLY.fullmatch(reply)
        if not match:
            return None
        identity, sequence, state, *counts = match.groups()
        return cls(identity, int(sequence), state, *map(int, counts))

    def was_run(self, identity: str, sequence: int) -> bool:
        """Whether the script has run, or refused with errors, that very program."""
        mine = (self.identity, self.sequence) == (identity, sequence)
        return mine and (self.state not in ("receiving", "foreign") or self.errors > 0)
