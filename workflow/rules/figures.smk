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
    shell:
        "triplehead figure {wildcards.figure} 2> {log:q}"
