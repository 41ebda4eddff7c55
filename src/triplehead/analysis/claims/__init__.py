"""The paper's sentences as checks: what each claims, what was measured, and the verdict (docs/claims.md)."""
