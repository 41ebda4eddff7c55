# A run's id holds a digest of its spec, so nothing else decides whether it must be trained again.


rule tracking_store:
    # Concurrent first use of one SQLite store breaks it: made once, before any run logs.
    output:
        touch(STORE),
    log:
        "logs/tracking_store.log",
    conda:
        "../../environment.yml"
    resources:
        **asked("other"),
    params:
        uri=lambda wildcards: PLAN.config.tracking_uri,
    shell:
        "triplehead track init 2> {log:q}"


rule train:
    input:
        # Tables refuse a run of others, and say what to delete.
        data=unless_trained(data_of),
        pretrained=unless_trained(pretrained_of),
        store=unless_trained(lambda wildcards: STORE),
    output:
        expand("results/runs/{{run}}/{name}", name=(*RUN_FILES, paths.REPLICATES)),
    log:
        "logs/train/{run}.log",
    wildcard_constraints:
        run=one_of_runs(RESAMPLED_WITHIN, RESAMPLED_AFTER),
    conda:
        "../../environment.yml"
    threads: THREADS * PLAN.scale.devices
    resources:
        **asked("train"),
    shell:
        "triplehead train {wildcards.run:q} 2> {log:q}"


use rule train as train_without_resamples with:
    output:
        expand("results/runs/{{run}}/{name}", name=RUN_FILES),
    wildcard_constraints:
        run=one_of_runs(RESAMPLED_AFTER, RESAMPLED_WITHIN),
