rule report:
    input:
        TABLES,
        FIGURES,
        LEDGER,
        [f"results/runs/{run}/{name}" for run in PLAN.runs for name in RUN_FILES],
        data=[f"results/data/{name}/manifest.json" for name in PLAN.data],
        calibration=calibration_of,
        templates=["reports/report.typ", "reports/page.html.jinja"],
        audit=AUDIT,
        code=code_of(
            "analysis",
            "analysis/audit",
            "analysis/claims",
            "analysis/figures",
            "analysis/statistics",
            "report",
        ),
    output:
        REPORT,
    log:
        "logs/report.log",
    conda:
        "../../environment.yml"
    resources:
        **asked("other"),
    params:
        silence=lambda wildcards: silence_of(),
        engines=lambda wildcards: engines_of(),
        reads=lambda wildcards: [
            TABLES,
            FIGURES,
            list(PLAN.runs),
            list(PLAN.data),
            AUDIT,
            calibration_of(wildcards),
        ],
    shell:
        "triplehead report 2> {log:q}"


rule tracked:
    # MLflow's view of the tables; `triplehead track rebuild` makes all of it anew.
    input:
        TABLES,
        LEDGER,
        FIGURES,
        REPORT,
    output:
        touch(TRACKED),
    log:
        "logs/tracked.log",
    conda:
        "../../environment.yml"
    resources:
        **asked("other"),
    params:
        reads=lambda wildcards: [TABLES, FIGURES],
    shell:
        "triplehead track tables 2> {log:q}"
