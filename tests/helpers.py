"""What several tests need."""

import json

from triplehead.plan.runs import RunSpec


def changed(spec: RunSpec, **parts) -> RunSpec:
    """A spec with some of its values replaced, one level deep."""
    values = json.loads(spec.model_dump_json())
    for name, change in parts.items():
        values[name] = values[name] | change if isinstance(change, dict) else change
    return RunSpec.model_validate_json(json.dumps(values))
