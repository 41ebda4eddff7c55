# A run's id holds a digest of its spec, so nothing else decides whether it must be trained again.


rule tracking_store:
    # Concurrent first use of one SQLite store breaks it: made once, before any run logs.
    output:
        touch("logs/tracking_store.ready"),
    params:
        config=CONFIG,
    log:
        "logs/tracking_store.log",
    shell:
        "{PYTHON} -m triplehead track init {params.config:q} 2> {log:q}"


rule train:
    input:
        data=data_of,
        pretrained=pretrained_of,
        store=ancient("logs/tracking_store.ready"),
    output:
        multiext("results/runs/{run}/", "model.pt", "history.csv", "spec.json", "environment.json"),
    params:
        config=CONFIG,
    threads: PLAN.scale.threads
    resources:
        gpu=int(PLAN.scale.accelerator != "cpu"),
    log:
        "logs/train/{run}.log",
    shell:
        "{PYTHON} -m triplehead train {wildcards.run} {params.config:q} 2> {log:q}"


rule evaluate:
    input:
        "results/runs/{run}/model.pt",
        "results/runs/{run}/spec.json",
        data=data_of,
    output:
        multiext("results/runs/{run}/", "scores.json", "detections.json.gz"),
    params:
        config=CONFIG,
    threads: PLAN.scale.threads
    resources:
        gpu=int(PLAN.scale.accelerator != "cpu"),
    log:
        "logs/evaluate/{run}.log",
    shell:
        "{PYTHON} -m triplehead evaluate {wildcards.run} {params.config:q} 2> {log:q}"
