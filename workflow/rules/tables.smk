rule table:
    input:
        scores_of,
    output:
        multiext("results/{exhibit}", ".csv", ".tex"),
    params:
        config=CONFIG,
        declaration=declaration_of,
    log:
        "logs/tables/{exhibit}.log",
    shell:
        "{PYTHON} -m triplehead table {wildcards.exhibit} {params.config:q} 2> {log:q}"
