#!/usr/bin/env bash
# A SLURM of one node on this machine, for tests: start or stop it in a folder. Needs root, and
# Debian's packages slurm-wlm and munge. Partition low is the default; jobs in high preempt its jobs.
#   bash tests/slurm_here.sh start FOLDER && export SLURM_CONF=FOLDER/slurm.conf
#   bash tests/slurm_here.sh stop FOLDER
set -euo pipefail
action="$1" folder="$2" host="$(hostname -s)"
if [ "$action" = stop ]; then
    for name in slurmd slurmctld munged; do
        if [ -f "$folder/$name.pid" ]; then kill "$(cat "$folder/$name.pid")" || true; fi
    done
    exit 0
fi
mkdir -p "$folder/state" "$folder/spool"
chmod 755 "$folder"
dd if=/dev/urandom of="$folder/munge.key" bs=128 count=1 status=none
chmod 600 "$folder/munge.key"
cat > "$folder/slurm.conf" <<CONF
ClusterName=here
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=26817
SlurmdPort=26818
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$folder/munge.socket
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/spool
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/slurmd.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
MpiDefault=none
ReturnToService=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=10
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 RealMemory=16000 State=UNKNOWN
PartitionName=low Nodes=$host Default=YES PriorityTier=1
PartitionName=high Nodes=$host PriorityTier=10
CONF
export SLURM_CONF="$folder/slurm.conf"
munged --force --socket="$folder/munge.socket" --key-file="$folder/munge.key" \
    --pid-file="$folder/munged.pid" --log-file="$folder/munged.log" --seed-file="$folder/munge.seed"
slurmctld -c
slurmd
for _ in $(seq 100); do
    if [ "$(sinfo --noheader --partition=low --format=%T 2>/dev/null)" = idle ]; then exit 0; fi
    sleep 0.2
done
echo "SLURM does not come up; its logs are in $folder" >&2
exit 1
