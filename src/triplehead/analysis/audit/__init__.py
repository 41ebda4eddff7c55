"""The paper against itself: every entry of experiments/audit.yaml, checked."""

from triplehead.analysis.audit.findings import Finding, findings, tally

__all__ = ["Finding", "findings", "tally"]
