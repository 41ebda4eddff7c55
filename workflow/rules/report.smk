rule report:
    input:
        TABLES,
        FIGURES,
        [f"results/runs/{run}/{name}" for run in PLAN.runs for name in RUN_FILES],
        template="reports/report.typ",
        code=code_of("analysis", "analysis/statistics", "analysis/figures", "report"),
    output:
        "reports/report.pdf",
    log:
        "logs/report.log",
    conda:
        "../../environment.yml"
    shell:
        "triplehead report 2> {log:q}"


rule tracked:
    # MLflow's view of the tables; `triplehead track rebuild` makes all of it anew.
    input:
        TABLES,
        "reports/report.pdf",
    output:
        touch("results/mlflow.tables"),
    log:
        "logs/tracked.log",
    conda:
        "../../environment.yml"
    shell:
        "triplehead track tables 2> {log:q}"
