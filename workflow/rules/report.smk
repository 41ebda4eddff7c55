rule report:
    input:
        TABLES,
        "reports/report.typ",
    output:
        "reports/report.pdf",
    params:
        config=CONFIG,
    log:
        "logs/report.log",
    shell:
        "{PYTHON} -m triplehead report {params.config:q} 2> {log:q}"


rule tracked:
    # MLflow's view of the tables; `triplehead track rebuild` makes all of it anew.
    input:
        TABLES,
        "reports/report.pdf",
    output:
        touch("logs/tracked.txt"),
    params:
        config=CONFIG,
    log:
        "logs/tracked.log",
    shell:
        "{PYTHON} -m triplehead track tables {params.config:q} 2> {log:q}"
