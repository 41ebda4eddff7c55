rule data:
    input:
        annotations_of,
    output:
        "results/data/{data}/manifest.json",
    log:
        "logs/data/{data}.log",
    conda:
        "../../environment.yml"
    resources:
        **asked("data"),
    params:
        root=root_of,
        folders=annotation_folders_of,
    shell:
        "triplehead data prepare {wildcards.data} 2> {log:q}"


rule pretrain:
    input:
        pretrained_data,
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
        "triplehead pretrain {wildcards.pretrained} > {log:q} 2>&1"
