rule table:
    input:
        scores=scores_of,
        testdev=testdev_of,
        code=table_code,
    output:
        multiext("results/{exhibit}", ".csv", ".tex"),
    log:
        "logs/tables/{exhibit}.log",
    conda:
        "../../environment.yml"
    resources:
        **asked("other"),
    params:
        declaration=declaration_of,
        reads=lambda wildcards: [scores_of(wildcards), testdev_of(wildcards)],
    shell:
        "triplehead table {wildcards.exhibit:q} 2> {log:q}"
