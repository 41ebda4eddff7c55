# The last to be included: every place that a rule declares can be written to. Snakemake would trip over it itself,
# before a job of ours could say what is wrong.
from triplehead.jobs import declared

try:
    paths.check_places(
        declared(workflow.rules, {"run": list(PLAN.all_runs)}),
        (paths.SCRATCH, paths.LOCKS),
    )
except InputError as error:
    stop(error)
