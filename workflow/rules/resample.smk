# Intervals: a run's scores under the same resamples of the validation images as all other runs on its data. Training
# ends with it; here are the runs that were trained before, so that nothing is trained anew for it.


rule resample:
    input:
        "results/runs/{run}/matches.npz",
    output:
        "results/runs/{run}/replicates.npz",
    log:
        "logs/resample/{run}.log",
    wildcard_constraints:
        run=one_of_runs(RESAMPLED_AFTER, RESAMPLED_WITHIN),
    conda:
        "../../environment.yml"
    resources:
        **asked("other"),
    params:
        resampling=PLAN.scale.resampling.model_dump_json(),
    shell:
        "triplehead resample {wildcards.run:q} 2> {log:q}"
