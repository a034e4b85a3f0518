#!/bin/bash
# One run on PBS. From the folder where the trace shall be:
#   qsub -l select=4:ncpus=32:mpiprocs=32 -v ARGUMENTS="TOPOLOGY JOB --steps 3" .../pbs.sh
#   qsub -v ARGUMENTS="--resume TRACE.h5" .../pbs.sh             the rest of a run that was stopped or killed
# Many runs: `colossim sweep ... --pbs` writes an array of its own. At the end of its time PBS sends SIGTERM: complete steps are
# kept; `qsig -s SIGUSR1 JOB` ends it after its step.
#PBS -N colossim
#PBS -l select=1:ncpus=8:mpiprocs=8
#PBS -l walltime=01:00:00
set -euo pipefail
cd "${PBS_O_WORKDIR:-.}"
read -ra arguments <<<"${ARGUMENTS:?qsub -v ARGUMENTS=\"TOPOLOGY JOB [OPTION...]\"}"
exec mpirun "${COLOSSIM_PROGRAM:-colossim}" run "${arguments[@]}" --progress lines
