#!/usr/bin/env bash
# Ends what start_slurm.sh FOLDER started, and takes its configuration away.
set -uo pipefail

folder=$(realpath -m "$1")
scancel --user="$(id -un)" 2>/dev/null
for file in "$folder"/slurmd.pid "$folder"/slurmctld.pid /run/triplehead-munge/pid; do
    [[ -s $file ]] || continue
    pid=$(<"$file")
    kill "$pid" 2>/dev/null
    for _ in $(seq 50); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null
done
grep -qsF "# by triplehead's tests" /etc/slurm/slurm.conf && rm -f /etc/slurm/{slurm,gres,cgroup}.conf
rm -rf /run/triplehead-munge
exit 0
