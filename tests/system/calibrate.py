"""Law: constants of the catalogue are those that their list gives, and a machine described by its own measurements gives
them back.

1. scripts/calibrate --check finds the catalogue as it would write it.
2. The points of a table of products are among its rows, the best is the best; the bus bandwidth of nccl-tests becomes the
   rate of its operation; a share of kernels with which a step was played is found again from that step, within the grid of
   0.5 %. The files are understood by the program.
"""

import pathlib
import re
import subprocess
import sys
import tempfile

from emulator import ROOT, Emulator, claim

GEMM = "m,n,k,dtype,tflops\n" + "".join(
    f"{m},{m},{k},bf16,{400 + m / 64 + k / 128:.1f}\n" for m in range(512, 16385, 512) for k in (1024, 8192))
NCCL = """# nThread 1 nGpus 8 minBytes 1024 maxBytes 8589934592 step: 8(factor)
# Using devices
{ranks}
#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong
        1024           256     float     sum      -1    30.10    0.03    0.06      0    29.90    0.03    0.06      0
  8589934592    2147483648     float     sum      -1  31000.0  277.09  {bus}      0  31000.0  277.09  484.91      0
# {name}
"""


def calibrate(colossim, *arguments):
    return subprocess.run(["/usr/bin/python3", "-B", str(ROOT / "scripts/calibrate"), "--program", colossim, *map(str, arguments)],
                          capture_output=True, text=True)


def claim_machine(emulator, colossim, folder):
    (folder / "gemm.csv").write_text(GEMM)
    ranks = "\n".join(f"#  Rank  {i} Group  0 Pid 1 on node device {i}" for i in range(8))
    for name, bus in (("all_reduce", "444.4"), ("all_gather", "333.3")):
        (folder / name).write_text(NCCL.format(ranks=ranks, bus=bus, name=name + "_perf"))
    topology, job = folder / "one.yaml", ROOT / "jobs/ddp-small.yaml"
    text = (ROOT / "topologies/laptop-16.yaml").read_text()
    topology.write_text(text)
    (folder / "hardware").mkdir()
    names = {key: re.search(rf"\b{key}: (\S+)", text)[1] for key in ("gpu", "scale_up")}
    shared = ["--machine", "mine", "--like", names["gpu"], names["scale_up"], "--gemm", folder / "gemm.csv", "--nccl",
              folder / "all_reduce", folder / "all_gather", "--into", folder / "hardware"]
    done = calibrate(colossim, *shared)
    claim(done.returncode == 0, f"a machine is written: {done.stderr}")
    gpu, domain = (folder / "hardware" / f"mine-{kind}.yaml" for kind in ("gpu", "scale-up"))
    points = re.findall(r"- \[(\d+), (\d+), (\d+), ([\d.]+) TFLOP/s\]", re.search(r"gemm_bf16:\n(?: .*\n)*", gpu.read_text())[0])
    claim(len(points) > 8 and all(f"{m},{n},{k},bf16,{rate}" in GEMM for m, n, k, rate in points), "points are rows of the table")
    claim("best: 720.0 TFLOP/s" in gpu.read_text(), "the best product is the best")
    claim(re.search(r"^reduce_rate: 444.4 GB/s", domain.read_text(), re.M), "the bus bandwidth of all_reduce_perf")
    claim(re.search(r"^goodput: 333.3 GB/s", domain.read_text(), re.M), "the bus bandwidth of all_gather_perf")
    # Played with a share of 61.5 %, the step gives it back.
    topology.write_text(re.sub(r"\bscale_up: \S+", "scale_up: mine-scale-up", re.sub(r"\bgpu: \S+", "gpu: mine-gpu", text)))
    gpu.write_text(re.sub(r"^sustained_share: .*", "sustained_share: 61.5 %", gpu.read_text(), flags=re.M))
    said = emulator.call("run", topology, job, "--steps", "1", "--output", folder / "run.h5", "--progress", "none")
    step_ms = re.search(r"^\s*0\s+([\d.]+)", said.stdout, re.M)
    claim(step_ms, f"the program plays the machine: {said.stdout} {said.stderr}")
    done = calibrate(colossim, *shared, "--run", topology, job, float(step_ms[1]) / 1000)
    claim(done.returncode == 0, f"a run is read: {done.stderr}")
    share = float(re.search(r"^sustained_share: ([\d.]+) %", gpu.read_text(), re.M)[1])
    claim(abs(share - 61.5) <= 0.5, f"the share is found again: {share}")


def claim_refusals(colossim, folder):
    """What is no measurement is said, in a line that names file and row, with exit code 2; nothing is written."""
    (folder / "empty.csv").write_text("m,n,k,dtype,tflops\n")
    (folder / "word.csv").write_text("m,n,k,dtype,tflops\n512,512,512,bf16,400\n512,512,512,bf16,fast\n")
    (folder / "none.csv").write_text("m,n,k\n512,512,512\n")
    (folder / "text").write_text("hello\n")
    like, into = ("--machine", "mine", "--like", "h100-sxm", "nvlink4-8"), ("--into", folder / "none")
    for words, *arguments in (
            ("word.csv:3: wants columns", *like, "--gemm", folder / "word.csv"), ("none.csv:2: wants columns", *like, "--gemm", folder / "none.csv"),
            ("empty.csv: no product", *like, "--gemm", folder / "empty.csv"), ("missing: No such file", *like, "--gemm", folder / "missing"),
            ("is no output of", *like, "--nccl", folder / "text"), ("no gpu in", *like[:3], "nvlink4-8", "nvlink4-8"),
            ("no scale_up in", *like[:3], "h100-sxm", "nvlink"), ("wants a name", "--machine", "../mine", *like[2:]),
            ("describe a --machine", "--gemm", folder / "word.csv"), ("seconds of a step", *like, "--run", "a", "b", "soon")):
        done = calibrate(colossim, *arguments, *into)
        claim(done.returncode == 2 and words in done.stderr.splitlines()[-1] and not (folder / "none").exists(),
              f"{arguments}: {done.returncode} {done.stderr}")


def main():
    mpiexec, colossim, case = sys.argv[1:]
    if case == "catalogue":
        done = calibrate(colossim, "--check")
        claim(done.returncode == 0, f"the catalogue holds what scripts/calibrate finds:\n{done.stdout}{done.stderr}")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        claim_refusals(colossim, folder)
        claim_machine(Emulator(mpiexec, colossim, folder), colossim, folder)


main()
