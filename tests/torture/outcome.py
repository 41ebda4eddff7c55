"""What became of one fault."""

from dataclasses import dataclass, field


@dataclass
class Outcome:
    """problems: of those that were lost, a line each. skipped: why it was not tried at all. there: at each kill the share
    of the study's files that were there."""

    fault: str
    tried: int = 0
    survived: int = 0
    problems: list[str] = field(default_factory=list)
    skipped: str = ""
    there: list[float] = field(default_factory=list)

    @property
    def lost(self) -> int:
        return self.tried - self.survived

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(
            self.fault,
            self.tried + other.tried,
            self.survived + other.survived,
            self.problems + other.problems,
            there=self.there + other.there,
        )


def outcome(fault: str, problems: list[str]) -> Outcome:
    """Of a fault that was tried once."""
    return Outcome(fault, 1, int(not problems), problems)
