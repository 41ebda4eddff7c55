rule claims:
    # The paper's sentences, judged by what was measured.
    input:
        files=[f"results/{file}" for file in claims_inputs.inputs(PLAN)],
        code=code_of("analysis", "analysis/claims", "analysis/statistics"),
    output:
        LEDGER,
    log:
        "logs/claims.log",
    conda:
        "../../environment.yml"
    resources:
        **asked("other"),
    params:
        declaration=lambda wildcards: declared_claims(),
        reads=lambda wildcards: claims_inputs.inputs(PLAN),
    shell:
        "triplehead claims --write > {log:q} 2>&1"


rule silence:
    # What the open choices cost; reproduce_all does not ask for it.
    input:
        SILENCE,


rule silence_effects:
    input:
        scores=silence_scores(),
        code=code_of("analysis", "analysis/statistics"),
    output:
        SILENCE,
    log:
        "logs/silence.log",
    conda:
        "../../environment.yml"
    resources:
        **asked("other"),
    params:
        declaration=lambda wildcards: PLAN.silence.model_dump_json(),
        reads=lambda wildcards: silence_scores(),
    shell:
        "triplehead silence 2> {log:q}"
