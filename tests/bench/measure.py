"""measure.py: what the benchmarks of whole runs share: starting the program on some ranks, and what that cost.

Each rank is started by this same file (`measure.py --rank FOLDER COMMAND...`), which waits for it and notes what the
kernel counted for that process: CPU time (user and system) and peak resident memory. What mpirun itself uses is not
counted; memory that the ranks share is counted once for each.
"""

import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from program import environment  # noqa: E402

END_S = 15  # mpirun gives its ranks 5 s between SIGTERM and SIGKILL


def be_rank(folder, command):
    """Run the program as this rank and leave its bill in `folder`; whoever ends this process ends the program."""
    child = subprocess.Popen(command)
    signal.signal(signal.SIGTERM, lambda *_: child.kill())
    _, status, used = os.wait4(child.pid, 0)
    bill = f"{used.ru_utime + used.ru_stime:.3f} {used.ru_maxrss * 1024}\n"  # Linux counts kB
    (pathlib.Path(folder) / f"rank-{os.environ['OMPI_COMM_WORLD_RANK']}").write_text(bill)
    sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)


def end(process):
    """End mpirun, and through it its ranks."""
    process.terminate()
    try:
        process.communicate(timeout=END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def play(colossim, ranks, arguments, read, limit_s=None):
    """Run `colossim run ARGUMENTS` on `ranks` ranks: {"cpu_s", "wall_s", "peak_rss_bytes", "trace_bytes", "words"}
    and what read(path of the trace) adds. None after limit_s; the words of the program end the benchmark if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        trace = pathlib.Path(folder) / "trace.h5"
        command = [colossim.resolve(), "run", *arguments, "--output", trace, "--progress", "none"]
        launch = ["mpirun", "-n", ranks, sys.executable, __file__, "--rank", folder, *command]
        start = time.monotonic()
        process = subprocess.Popen([str(word) for word in launch], cwd=ROOT, env=environment(), text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            words, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            end(process)
            return None
        wall_s = time.monotonic() - start
        where = " ".join(map(str, arguments))
        if process.returncode != 0:
            sys.exit(f"{where}: exit {process.returncode}\n{words}")
        bills = [path.read_text().split() for path in sorted(pathlib.Path(folder).glob("rank-*"))]
        if len(bills) != ranks:
            sys.exit(f"{where}: {len(bills)} of {ranks} ranks were counted")
        return {"cpu_s": sum(float(cpu) for cpu, _ in bills), "wall_s": wall_s,
                "peak_rss_bytes": sum(int(peak) for _, peak in bills), "trace_bytes": trace.stat().st_size, "words": words,
                **read(trace)}


if __name__ == "__main__":
    if sys.argv[1:2] != ["--rank"]:
        sys.exit(__doc__)
    be_rank(sys.argv[2], sys.argv[3:])
