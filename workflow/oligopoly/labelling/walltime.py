"""How long this job may still run."""

import os
import time

import psutil

# What the batch systems set in the jobs they start, and end when their time is up.
BATCH = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "FLUX_JOB_ID", "COBALT_JOBID", "OAR_JOB_ID")


def seconds_left(minutes: float | None) -> float | None:
    """Seconds until a batch system ends this job; None where nobody will.

    minutes: the run time that the job asked for, counted from the start of this process. Slurm tells the end itself,
    which also holds where a whole workflow runs in one allocation.
    """
    if not any(name in os.environ for name in BATCH):
        return None
    end = os.environ.get("SLURM_JOB_END_TIME", "")
    if end.isdigit():
        return int(end) - time.time()
    return None if minutes is None else psutil.Process().create_time() + 60 * minutes - time.time()
