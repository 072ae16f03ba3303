"""A real SLURM on one machine, for tests: everything in one folder, every process ended by its PID.

`Slurm` starts munge, MariaDB, slurmdbd, slurmctld and one slurmd per node (Debian packages in `PROGRAMS`). Each daemon
stays in the foreground as a child of this process. Nodes c1 and c2 form the partition `cpu`, g1 with two GPUs (device
files that stand for them) the partition `gpu`. By hand: `python -m tests.cluster.slurm` starts one and says how to use
it.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil

PROGRAMS = {
    "slurmctld": "slurmctld", "slurmd": "slurmd", "sbatch": "slurm-client", "slurmdbd": "slurmdbd",
    "munged": "munge", "mariadbd": "mariadb-server", "mariadb-install-db": "mariadb-server",
}  # fmt: skip
CLIENTS = ("sacct", "sacctmgr", "sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun", "sshare")
NODES = {"c1": "cpu", "c2": "cpu", "g1": "gpu"}
CPUS = 8
MEMORY_MB = 64_000
GPUS = 2
# A node that stays silent this long is down.
NODE_TIMEOUT_S = 10
# In the environment of everything a cluster starts: the folder of the cluster.
MARK = "OLIGOPOLY_TEST_SLURM"
PR_SET_PDEATHSIG = 1


def why_not() -> str | None:
    """Why no SLURM can be started here; None if it can."""
    missing = sorted({package for program, package in PROGRAMS.items() if not _which(program)})
    if missing:
        return f"no SLURM here: apt-get install {' '.join(missing)}"
    if os.geteuid() != 0:
        return "starting SLURM takes root (device files, slurmd)"
    return None


class Slurm:
    """A cluster in a folder of its own, while the context lasts. `env` is what its clients need."""

    def __init__(self) -> None:
        self.folder = make_folder()
        self.daemons: dict[str, subprocess.Popen] = {}
        self.ports = _free_ports("slurmctld", "slurmdbd", "mariadbd", *NODES)

    @property
    def env(self) -> dict[str, str]:
        """This process' environment with the cluster's commands first on the PATH."""
        return os.environ | {"PATH": f"{self.folder}/bin:{os.environ['PATH']}", MARK: str(self.folder)}

    def __enter__(self) -> "Slurm":
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        for name in reversed(list(self.daemons)):
            self._end(name)
        # Job steps outlive their slurmd, by design.
        left = self.processes()
        for process in left:
            _ignore_gone(process.kill)
        psutil.wait_procs(left, timeout=10)
        shutil.rmtree(self.folder)

    def run(self, *command: str, check: bool = True) -> str:
        """Output of one of the cluster's commands."""
        done = subprocess.run(command, env=self.env, capture_output=True, text=True)
        if check and done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def jobs(self, folder: str | Path) -> list[dict[str, str]]:
        """What accounting knows of every job so far that was submitted from `folder`, also of earlier attempts."""
        fields = (
            "JobID",
            "Comment",
            "Partition",
            "Account",
            "State",
            "NodeList",
            "AllocTRES",
            "Start",
            "End",
            "WorkDir",
        )
        rows = self.run("sacct", "-a", "-X", "-D", "-P", "-n", "-S", "now-1days", f"--format={','.join(fields)}")
        found = [dict(zip(fields, row.split("|"), strict=True)) for row in rows.splitlines()]
        return [job for job in found if job["WorkDir"] == str(folder)]

    def calls(self) -> Counter:
        """How often each of the cluster's commands was called since the last time this was asked."""
        log = self.folder / "log" / "calls"
        counts = Counter(log.read_text().split()) if log.exists() else Counter()
        log.unlink(missing_ok=True)
        return counts

    def kill_node(self, name: str) -> None:
        """What a power cut does: the node's slurmd and every process of its jobs are gone at once."""
        self.daemons.pop(name).kill()
        for process in self.processes(node=name):
            _ignore_gone(process.kill)

    def start_node(self, name: str) -> None:
        """Start the node's slurmd (again)."""
        self._spawn(name, "slurmd", "-D", "-N", name)

    def stop_node(self, name: str) -> None:
        """End the node's slurmd; jobs on it go on."""
        self._end(name)

    def stop_controller(self) -> None:
        """End slurmctld; jobs go on without it."""
        self._end("slurmctld")

    def start_controller(self) -> None:
        """Start slurmctld (again, from the state it saved)."""
        self._spawn("slurmctld", "slurmctld", "-D")
        wait_for(lambda: "UP" in self.run("scontrol", "ping", check=False), "slurmctld answers")

    def processes(self, node: str | None = None) -> list[psutil.Process]:
        """Processes that SLURM started for jobs, on all nodes or one."""
        found: dict[int, psutil.Process] = {}
        for process in psutil.process_iter():
            try:
                environment = process.environ()
                if environment.get(MARK) != str(self.folder) or process.pid == os.getpid():
                    continue
                where = environment.get("SLURMD_NODENAME")
                if where is None or node not in (None, where):
                    continue
                found[process.pid] = process
                for above in process.parents():
                    if above.name().startswith("slurmstepd"):
                        found[above.pid] = above
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return list(found.values())

    def _start(self) -> None:
        for name in ("etc", "log", "run", "state", "mysql", "bin", "dev", *(f"spool/{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True)
        self._write_configuration()
        self._write_clients()
        for number in range(GPUS):
            # Only character devices become visible to jobs; these are copies of /dev/null.
            os.mknod(self.folder / f"dev/nvidia{number}", 0o600 | 0o020000, os.makedev(1, 3))
        etc, run, log = self.folder / "etc", self.folder / "run", self.folder / "log"
        self._spawn(
            "munged", "munged", "--foreground", f"--key-file={etc}/munge.key", f"--socket={run}/munge.socket",
            f"--pid-file={run}/munged.pid", f"--log-file={log}/munged.log", f"--seed-file={run}/munge.seed",
        )  # fmt: skip
        self._start_database()
        wait_for((run / "munge.socket").exists, "munge")
        self._spawn("slurmdbd", "slurmdbd", "-D")
        wait_for(lambda: self._works("sacctmgr", "-n", "show", "cluster"), "slurmdbd answers")
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        self.run("sacctmgr", "-i", "add", "cluster", "test")
        self.run("sacctmgr", "-i", "add", "account", "polymers", "cluster=test")
        self.run("sacctmgr", "-i", "add", "user", user, "account=polymers", "defaultaccount=polymers")
        self.run("sacctmgr", "-i", "modify", "user", user, "set", "defaultaccount=polymers")
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        self.wait_for_nodes()

    def wait_for_nodes(self) -> None:
        """Return when all nodes are ready for jobs."""
        ready = {"idle", "mixed", "allocated", "completing"}
        wait_for(
            lambda: sum(
                line.strip() in ready for line in self.run("sinfo", "-h", "-N", "-o", "%T", check=False).splitlines()
            ) == len(NODES),
            "all nodes are ready",
        )  # fmt: skip

    def _start_database(self) -> None:
        data, mysql = self.folder / "mysql", self.folder / "run" / "mysql.sock"
        subprocess.run(
            ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}", "--skip-test-db",
             "--auth-root-authentication-method=normal"],
            check=True, capture_output=True,
        )  # fmt: skip
        self._spawn(
            "mariadbd", "mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={mysql}",
            "--bind-address=127.0.0.1", f"--port={self.ports['mariadbd']}", "--innodb-buffer-pool-size=64M",
            "--innodb-flush-log-at-trx-commit=0", "--innodb-lock-wait-timeout=900", "--skip-log-bin",
            "--performance-schema=OFF",
        )  # fmt: skip
        ask = ("mariadb", "--no-defaults", "-uroot", "-S", str(mysql), "-e")
        wait_for(lambda: self._works(*ask, "select 1"), "MariaDB answers")
        for host in ("127.0.0.1", "localhost"):
            self.run(
                *ask,
                f"create user slurm@'{host}' identified by 'slurm'; grant all on slurm_acct_db.* to slurm@'{host}'",
            )

    def _write_configuration(self) -> None:
        etc, run, log, host = self.folder / "etc", self.folder / "run", self.folder / "log", socket.gethostname()
        key = etc / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        nodes = "\n".join(
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={self.ports[name]} CPUs={CPUS} "
            f"RealMemory={MEMORY_MB}" + (f" Gres=gpu:h200:{GPUS}" if partition == "gpu" else "")
            for name, partition in NODES.items()
        )
        partitions = "\n".join(
            f"PartitionName={partition} Nodes={','.join(n for n in NODES if NODES[n] == partition)} "
            f"Default={'YES' if partition == 'cpu' else 'NO'} MaxTime=2-0 DefMemPerCPU=500"
            for partition in dict.fromkeys(NODES.values())
        )
        (etc / "slurm.conf").write_text(f"""\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={self.ports["slurmctld"]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# Credentials must expire before a job's id comes again; short here, for jobs are.
AuthInfo=socket={run}/munge.socket,cred_expire=10
CredType=cred/munge
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/spool/%n
SlurmctldPidFile={run}/slurmctld.pid
SlurmdPidFile={run}/slurmd-%n.pid
SlurmctldLogFile={log}/slurmctld.log
SlurmdLogFile={log}/slurmd-%n.log
# Neither cgroups nor systemd, which a container may lack; memory limits by looking every second.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
KillWait=2
# MinJobAge as Debian and most sites have it
MinJobAge=300
SlurmdTimeout={NODE_TIMEOUT_S}
MessageTimeout=10
BatchStartTimeout=10
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort={self.ports["slurmdbd"]}
AccountingStoragePass={run}/munge.socket
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
GresTypes=gpu
{nodes}
{partitions}
""")
        (etc / "gres.conf").write_text(f"NodeName=g1 Name=gpu Type=h200 File={self.folder}/dev/nvidia[0-{GPUS - 1}]\n")
        (etc / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")
        database = etc / "slurmdbd.conf"
        database.write_text(f"""\
AuthType=auth/munge
AuthInfo=socket={run}/munge.socket
DbdHost=localhost
DbdPort={self.ports["slurmdbd"]}
SlurmUser=root
PidFile={run}/slurmdbd.pid
LogFile={log}/slurmdbd.log
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={self.ports["mariadbd"]}
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct_db
""")
        database.chmod(0o600)

    def _write_clients(self) -> None:
        # SLURM_CONF does not reach the commands inside a job: Snakemake's job step drops every SLURM_ variable.
        for name in CLIENTS:
            client = self.folder / "bin" / name
            client.write_text(
                f"#!/bin/sh\necho {name} >> {self.folder}/log/calls\n"
                f'SLURM_CONF={self.folder}/etc/slurm.conf exec {_which(name)} "$@"\n'
            )
            client.chmod(0o755)

    def _spawn(self, name: str, program: str, *arguments: str) -> None:
        with open(self.folder / "log" / f"{name}.out", "a") as log:
            self.daemons[name] = subprocess.Popen(
                [_which(program), *arguments],
                env=self.env | {"SLURM_CONF": f"{self.folder}/etc/slurm.conf"},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, preexec_fn=_end_with_parent,
                cwd=self.folder,  # where a killed slurmstepd leaves its core
            )  # fmt: skip

    def _end(self, name: str) -> None:
        process = self.daemons.pop(name)
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _works(self, *command: str) -> bool:
        for name, daemon in self.daemons.items():
            if daemon.poll() is not None:
                raise RuntimeError(f"{name} ended: {(self.folder / 'log' / f'{name}.out').read_text()[-2000:]}")
        return subprocess.run(command, env=self.env, capture_output=True).returncode == 0


def _end_with_parent() -> None:
    """Ask Linux to end this process when the tests are killed before they can do it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def wait_for(test: Callable[[], bool], what: str, seconds: float = 60, every: float = 0.1) -> None:
    """Return when `test()` is true; TimeoutError that names `what` after `seconds`."""
    end = time.monotonic() + seconds
    while not test():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        time.sleep(every)


def make_folder() -> Path:
    """A folder that munge accepts (others may pass through it) with a name short enough for a socket's path."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))
    folder.chmod(0o755)
    return folder


def _free_ports(*names: str) -> dict[str, int]:
    sockets = {name: socket.socket() for name in names}
    for one in sockets.values():
        one.bind(("127.0.0.1", 0))
    ports = {name: one.getsockname()[1] for name, one in sockets.items()}
    for one in sockets.values():
        one.close()
    return ports


def _which(program: str) -> str | None:
    return shutil.which(program, path=f"/usr/sbin:/usr/bin:{os.environ['PATH']}")


def _ignore_gone(action: Callable[[], None]) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        action()


def main() -> None:
    """Start a cluster, say how to use it, and end it with Ctrl-C."""
    reason = why_not()
    if reason:
        sys.exit(reason)
    with Slurm() as slurm:
        print(slurm.run("sinfo"), f"\nexport PATH={slurm.folder}/bin:$PATH\n\nCtrl-C ends it.", sep="", flush=True)
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


if __name__ == "__main__":
    main()
