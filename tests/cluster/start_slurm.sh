#!/usr/bin/env bash
# Starts a real Slurm of one node on this machine, for tests: munged, slurmctld, slurmd. As root, in a container or VM
# of your own. Usage: start_slurm.sh FOLDER   (state, sockets and logs go there; end it with stop_slurm.sh FOLDER)
#
# Two character devices stand for GPUs, so that Slurm hands out CUDA_VISIBLE_DEVICES. Partition `main` is for jobs,
# `urgent` preempts them. Refuses to touch a Slurm that it did not configure.
set -euo pipefail

folder=$(realpath -m "$1")
mkdir -p "$folder"/{state,spool,log}
chmod 755 "$folder"
mark="# by triplehead's tests"

for tool in munged slurmctld slurmd sinfo; do
    command -v "$tool" >/dev/null || PATH="$PATH:/usr/sbin" command -v "$tool" >/dev/null || {
        echo "error: $tool: not installed (apt-get install slurm-wlm munge)" >&2
        exit 2
    }
done
if [[ -e /etc/slurm/slurm.conf ]] && ! grep -qF "$mark" /etc/slurm/slurm.conf; then
    echo "error: /etc/slurm/slurm.conf: belongs to another Slurm" >&2
    exit 2
fi
export PATH="$PATH:/usr/sbin"

# munged refuses a folder that others may write to anywhere above its socket and key.
munge=/run/triplehead-munge
mkdir -p "$munge"
chmod 755 "$munge"
[[ -e $munge/key ]] || { head -c 128 /dev/urandom >"$munge/key" && chmod 600 "$munge/key"; }
munged --force --key-file="$munge/key" --socket="$munge/socket" --pid-file="$munge/pid" \
    --log-file="$munge/log" --seed-file="$munge/seed"

cores=$(getconf _NPROCESSORS_ONLN)
memory=$(awk '/MemTotal/ {print int($2 / 1024 * 0.9)}' /proc/meminfo)
mkdir -p /etc/slurm
cat >/etc/slurm/slurm.conf <<CONF
$mark
ClusterName=triplehead
SlurmctldHost=$(hostname -s)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$munge/socket
CryptoType=crypto/munge
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/log/slurmctld.log
SlurmdLogFile=$folder/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerParameters=batch_sched_delay=0,sched_interval=2,bf_interval=2,preempt_youngest_first
SlurmdParameters=config_overrides
MinJobAge=3600
KillWait=5
OverTimeLimit=0
ReturnToService=2
GresTypes=gpu
NodeName=$(hostname -s) CPUs=$((cores > 2 ? cores : 2)) RealMemory=$memory Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=urgent Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10
CONF
# Count= without File= makes the node invalid; any two character devices will do.
printf 'Name=gpu File=/dev/tty%d\n' 10 11 >/etc/slurm/gres.conf
echo "CgroupAutomount=no" >/etc/slurm/cgroup.conf

slurmctld -c
slurmd -c
for _ in $(seq 60); do
    [[ $(sinfo -h -p main -o %T 2>/dev/null) == idle ]] && exit 0
    sleep 0.5
done
echo "error: Slurm: the node did not become idle; see $folder/log" >&2
tail -5 "$folder"/log/*.log >&2
exit 1
