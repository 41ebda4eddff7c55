# Frames per second. Takes all cores, so that nothing else runs beside it.


rule speed:
    input:
        weights=weights_of,
        data=speed_data,
    output:
        "results/speed/{exhibit}.json",
    log:
        "logs/speed/{exhibit}.log",
    conda:
        "../../environment.yml"
    threads: CORES or PLAN.scale.cpus_of("speed")
    resources:
        **asked("speed"),
        slurm_extra="--exclusive",
    params:
        protocol=PLAN.scale.speed.model_dump_json(),
        rows=speed_rows,
    shell:
        "triplehead speed {wildcards.exhibit:q} --cores {threads} 2> {log:q}"
