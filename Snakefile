# The whole study. `snakemake --cores 4 reproduce_all`, or one table: `snakemake results/table5.csv`.
# What runs is declared below experiments/; how it runs on this machine, in profiles/.

from triplehead.temporary import note

note(workflow)  # first: what a kill leaves is known


include: "workflow/rules/common.smk"
include: "workflow/rules/inputs.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/resample.smk"
include: "workflow/rules/speed.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/places.smk"


rule reproduce_all:
    default_target: True
    input:
        TABLES,
        FIGURES,
        LEDGER,
        REPORT,
        TRACKED,
        GONE,
