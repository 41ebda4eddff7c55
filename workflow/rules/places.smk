# The last to be included: every place that a rule declares can be written to, and none holds a file of the future.
# Snakemake would trip over it itself, before a job of ours could say what is wrong.
from triplehead.jobs import declared

try:
    made = declared(workflow.rules, {"run": list(PLAN.all_runs)})
    paths.check_places(made, (paths.SCRATCH, paths.LOCKS))
    code = Path(paths.__file__).parent.rglob("*.py")
    dated = [*made, *code, *Path("reports").iterdir(), *AUDIT] if ALONE else []
    if count := bring_back(dated):
        sys.stderr.write(
            f"the clock was set back: files of the future, dated now: {count}\n"
        )
except InputError as error:
    stop(error)
