checkpoint download:
    # Only where it is asked for: --config download=true. A checkpoint, since what it brings is input of the next rule.
    output:
        touch("results/data/{layout}.downloaded"),
    log:
        "logs/data/download-{layout}.log",
    conda:
        "../../environment.yml"
    resources:
        **asked("data"),
    params:
        root=data_root,
    shell:
        "triplehead data download {wildcards.layout:q} > {log:q} 2>&1"


rule data:
    input:
        annotations_of,
    output:
        "results/data/{data}/manifest.json",
    log:
        "logs/data/{data}.log",
    priority: 1  # before any training: what is missing is known early
    conda:
        "../../environment.yml"
    resources:
        **asked("data"),
    params:
        root=root_of,
        folders=annotation_folders_of,
        complete=complete_of,  # a sample is refused once all is demanded
    shell:
        "triplehead data prepare {wildcards.data:q} 2> {log:q}"


rule pretrain:
    input:
        pretrained_from,
    output:
        "results/pretrained/{pretrained}.pt",
    log:
        "logs/pretrain/{pretrained}.log",
    conda:
        "../../environment.yml"
    threads: THREADS
    resources:
        **asked("pretrain"),
    shell:
        "triplehead pretrain {wildcards.pretrained:q} > {log:q} 2>&1"
