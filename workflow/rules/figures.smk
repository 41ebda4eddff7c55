rule figure:
    input:
        files=files_of,
        code=code_of("analysis", "analysis/statistics", "analysis/figures"),
    output:
        multiext("results/{figure}", ".pdf", ".png"),
    log:
        "logs/figures/{figure}.log",
    conda:
        "../../environment.yml"
    resources:
        **asked("other"),
    params:
        declaration=declaration_of,
        reads=files_of,
    shell:
        "triplehead figure {wildcards.figure:q} 2> {log:q}"


rule overview:
    # The study in one picture, from a finished table.
    input:
        table=f"results/{figures.OVERVIEW_OF}.csv",
        code=code_of("analysis", "analysis/figures"),
    output:
        multiext("results/overview", ".pdf", ".png"),
    log:
        "logs/figures/overview.log",
    conda:
        "../../environment.yml"
    resources:
        **asked("other"),
    shell:
        "triplehead figure overview 2> {log:q}"
