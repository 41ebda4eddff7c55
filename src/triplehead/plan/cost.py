"""What a plan will take, before anything ran."""

from triplehead.plan.plan import Plan
from triplehead.plan.runs import RunSpec
from triplehead.plan.schema import Cost


def run_seconds(spec: RunSpec, cost: Cost) -> float:
    """CPU seconds of one run by the scale's measured cost of a training image and of everything around it."""
    head = spec.detector.head.name if spec.detector.architecture == "dense" else spec.detector.architecture
    images = spec.schedule.iterations * spec.schedule.batch_size
    return images * cost.image.get(head, max(cost.image.values())) + cost.run


def plan_seconds(plan: Plan) -> float | None:
    """CPU seconds of all runs; None where the scale states no cost."""
    if plan.scale.cost is None:
        return None
    return sum(run_seconds(run.spec, plan.scale.cost) for run in plan.runs.values())
