# A run's id holds a digest of its spec, so nothing else decides whether it must be trained again.


rule tracking_store:
    # Concurrent first use of one SQLite store breaks it: made once, before any run logs.
    output:
        touch("results/mlflow.ready"),
    log:
        "logs/tracking_store.log",
    conda:
        "../../environment.yml"
    shell:
        "triplehead track init 2> {log:q}"


rule train:
    input:
        data=data_of,
        pretrained=pretrained_of,
        store=ancient("results/mlflow.ready"),
    output:
        multiext(
            "results/runs/{run}/",
            "model.pt",
            "history.csv",
            "spec.json",
            "environment.json",
        ),
    log:
        "logs/train/{run}.log",
    conda:
        "../../environment.yml"
    threads: PLAN.scale.threads
    resources:
        gpu=int(PLAN.scale.accelerator != "cpu"),
    shell:
        "triplehead train {wildcards.run} 2> {log:q}"


rule evaluate:
    input:
        "results/runs/{run}/model.pt",
        "results/runs/{run}/spec.json",
        data=data_of,
    output:
        multiext("results/runs/{run}/", "scores.json", "detections.json.gz"),
    log:
        "logs/evaluate/{run}.log",
    conda:
        "../../environment.yml"
    threads: PLAN.scale.threads
    resources:
        gpu=int(PLAN.scale.accelerator != "cpu"),
    shell:
        "triplehead evaluate {wildcards.run} 2> {log:q}"
