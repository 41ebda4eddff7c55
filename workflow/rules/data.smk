rule data:
    output:
        "results/data/{data}/manifest.json",
    params:
        config=CONFIG,
        root=PLAN.config.data_root,
    log:
        "logs/data/{data}.log",
    shell:
        "{PYTHON} -m triplehead data prepare {wildcards.data} {params.config:q} 2> {log:q}"


rule pretrain:
    input:
        pretrained_data,
    output:
        "results/pretrained/{pretrained}.pt",
    params:
        config=CONFIG,
    threads: PLAN.scale.threads
    log:
        "logs/pretrain/{pretrained}.log",
    shell:
        "{PYTHON} -m triplehead pretrain {wildcards.pretrained} {params.config:q} > {log:q} 2>&1"
