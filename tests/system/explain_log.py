#!/usr/bin/python3
"""explain_log.py MPIEXEC COLOSSIM {divided|formats|refused}: a log of a real run is held against the emulated one."""

import contextlib
import io
import json
import os
import subprocess
import sys

from emulator import JOBS, ROOT, claim, column, run_case

sys.path.insert(0, str(ROOT / "scripts"))
import explain_log  # noqa: E402

# As Megatron-LM prints them, of jobs/ddp-small with two GPUs for a replica.
ARGUMENTS = {
    "world_size": 16, "tensor_model_parallel_size": 2, "pipeline_model_parallel_size": 1, "context_parallel_size": 1, "data_parallel_size": 8,
    "micro_batch_size": 2, "global_batch_size": 64, "seq_length": 2048, "num_layers": 16, "hidden_size": 2048, "num_attention_heads": 16,
    "kv_channels": 128, "ffn_hidden_size": 8192, "padded_vocab_size": 50304, "group_query_attention": False, "num_query_groups": 1, "swiglu": False,
    "untie_embeddings_and_output_weights": False, "bf16": True, "fp16": False, "fp8": None, "use_distributed_optimizer": True,
    "overlap_grad_reduce": True, "overlap_param_gather": True, "sequence_parallel": True, "tp_comm_overlap": False, "hidden_dropout": 0.0,
    "transformer_impl": "transformer_engine", "accumulate_allreduce_grads_in_fp32": True, "recompute_granularity": None, "num_experts": None,
}
KEYS = {"parallel.tp": "2", "parallel.pp": "1", "parallel.cp": "1", "parallel.dp": "8", "parallel.microbatch": "2", "parallel.global_batch": "64",
        "training.sequence": "2048", "parallel.zero": "1", "training.grad_overlap": "on", "training.grad_precision": "fp32", "training.param_overlap": "on",
        "parallel.sequence_parallel": "on", "training.precision": "bf16", "training.attention": "cudnn"}


def megatron(times, arguments=None, rate=None):
    lines = ["------------------------ arguments ------------------------"]
    lines += [f"  {word} {'.' * (48 - len(word))} {value}" for word, value in (arguments or ARGUMENTS).items()]
    lines += ["-------------------- end of arguments ---------------------", "training ..."]
    for n, seconds in enumerate(times, 1):
        flop = f" throughput per GPU (TFLOP/s/GPU): {rate / seconds / 1e12:.1f} |" if rate else ""
        lines.append(f" [2026-01-01 00:00:00] iteration {n:8d}/    1000 | consumed samples: {64 * n:12d} | elapsed time per iteration (ms): {1000 * seconds:.3f} |"
                     f"{flop} learning rate: 1.0E-04 | global batch size:    64 | lm loss: 9.0E+00 |")
    return "\n".join(lines) + "\n"


def nemo(times):
    return "".join(f"Training epoch 0, iteration {n}/{len(times) - 1} | lr: 3e-05 | consumed_samples: {64 * n} | global_batch_size: 64 | global_step: {n} | "
                   f"reduced_train_loss: 9.1 | train_step_timing in s: {seconds:.6f}\n" for n, seconds in enumerate(times))


def mlperf(times, rates):
    said = [("POINT_IN_TIME", "global_batch_size", 64, {}), ("POINT_IN_TIME", "seed", 7, {})]
    said += [("POINT_IN_TIME", "tracked_stats", {"throughput": 64 / seconds} if rates else {"train_step_time": seconds}, {"step": n})
             for n, seconds in enumerate(times)]
    return "".join("0: :::MLLOG " + json.dumps({"namespace": "", "time_ms": 1, "event_type": event, "key": key, "value": value, "metadata": more}) + "\n"
                   for event, key, value, more in said)


def explain(emulator, text, *words, good=True, apart=False):
    """What is said of a log; `apart`: by the script in a process of its own, as a user calls it."""
    path = emulator.folder / "run.log"
    path.write_text(text)
    os.environ.update(COLOSSIM_PROGRAM=str(emulator.colossim), COLOSSIM_SHARE=str(ROOT))
    words = ["--log", str(path), "laptop-16", *map(str, words)]
    if apart:
        done = subprocess.run([ROOT / "scripts/explain", *words], capture_output=True, text=True)
        claim((done.returncode == 0) == good and "Traceback" not in done.stderr, f"{words}: {done.returncode} {done.stdout[-500:]}{done.stderr[-2000:]}")
        return done.stdout if good else (done.returncode, done.stderr)
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            explain_log.main(words)
    except explain_log.NotUnderstood as why:
        claim(not good, f"{words}: {why}")
        return 2, str(why)
    claim(good, f"{words}: refused")
    return json.loads(said.getvalue()) if "--json" in words else said.getvalue()


def divided(emulator):
    """What is usual and what is not add up to the distance; inside the range of published runs nothing is unusual, beyond it what is beyond.
    The plan is that of the log. Warm-up and single slow steps change nothing."""
    first = explain(emulator, megatron([1] * 5), "--json")
    claim(first["settings"] == KEYS, f"{first['settings']}")
    job = emulator.folder / "same.yaml"
    job.write_text("schema_version: 1\nkind: training\nmodel: ./same-model.yaml\nparallel: {tp: 2, dp: 8, zero: 1, microbatch: 2, global_batch: 64}\n"
                   "training: {sequence: 2048, attention: cudnn}\nsteps: 2\n")
    (emulator.folder / "same-model.yaml").write_text("schema_version: 1\nkind: model\nlayers: 16\nhidden: 2048\nheads: 16\nhead_dim: 128\nffn: 8192\nvocab: 50304\n"
                                                     "activation: gelu\ntied_embeddings: on\n")
    by_hand = column(emulator.trace("laptop-16", job), "steps/duration_ps")[-1] / 1e12
    played, (least, most) = first["emulated_s"], first["likely_s"]
    claim(played == by_hand, f"the plan of the log takes {played}, the same by hand {by_hand}")
    claim(0 < least < most, f"{first}")
    for real in (0.5 * least, 0.999 * least, 1.001 * least, played, 0.999 * most, 1.001 * most, 3 * most):
        # Launch, and a straggler and a checkpoint among 60 steps that vary by two thousandths.
        times = [real * (0.999 + 0.002 * (n % 2)) for n in range(60)]
        times[0], times[1], times[30], times[45] = 40 * real, 2 * real, 1.4 * real, 9 * real
        found = explain(emulator, megatron(times, rate=first["flop_gpu"]), "--json")
        claim(found["warm_up"] == 2 and found["slow_steps"] == 2, f"{found}")
        claim(abs(found["real_s"] / real - 1) < 0.002, f"{real}: {found['real_s']}")
        claim(abs(found["usual_s"] + found["unusual_s"] - (found["real_s"] - played)) < 1e-12, f"{found}")
        beyond = max(found["real_s"] - most, 0) + min(found["real_s"] - least, 0)
        claim(abs(found["unusual_s"] - beyond) < 1e-12, f"{real}: {found['unusual_s']} for {beyond}")
        claim(abs(found["flop_gpu_log"] / found["flop_gpu"] - 1) < 0.01, "work as the log counts it")
        claim(abs(found["slow_share"] - (0.4 + 8) / (58 + 0.4 + 8)) < 0.01, f"{found['slow_share']}")
    words = explain(emulator, megatron([played] * 5), apart=True)
    claim("usual between operators" in words and "Nothing of the distance" in words and "Taken from the log" in words, words)
    words = " ".join(explain(emulator, megatron([3 * most] * 5, {**ARGUMENTS, "cuda_graph_impl": "local"}, rate=9 * first["flop_gpu"])).split())
    claim("are not: look for" in words and "another model or batch" in words and "cuda_graph_impl local" in words, words)


def formats(emulator):
    """One run in the words of Megatron-LM without its arguments, NeMo and MLPerf: the same, with the job that has its plan; what the log says
    goes before the job, --set before both."""
    times = [0.31 + 0.001 * (n % 3) for n in range(12)]
    job = JOBS / "ddp-small.yaml"
    found = [explain(emulator, text, job, "--set", "parallel.global_batch=64", "--set", "parallel.microbatches=auto", "--json")
             for text in (megatron(times, {"global_batch_size": 64}), nemo(times), mlperf(times, False), mlperf(times, True))]
    claim([one["kind"] for one in found] == ["Megatron-LM", "NeMo", "MLPerf", "MLPerf"], "kinds")
    for one in found[1:]:
        claim(abs(one["real_s"] - found[0]["real_s"]) < 1e-5 and one["emulated_s"] == found[0]["emulated_s"] and one["settings"] == found[0]["settings"], f"{one}")
    other = explain(emulator, nemo(times), job, "--set", "parallel.global_batch=128", "--set", "parallel.microbatches=auto", "--json")
    claim(other["emulated_s"] > 1.5 * found[0]["emulated_s"], "--set goes before the log")


def refused(emulator):
    """What a log does not say is asked for, and what cannot be played is told in the words of the program; exit code 2."""
    cases = (("nothing here\n", (), "got 0"), (megatron([1] * 4), (), "got 4"), (nemo([1] * 9), (), "name a JOB"),
             (megatron([1] * 9, {k: v for k, v in ARGUMENTS.items() if k != "micro_batch_size"}), (), "parallel.microbatch"),
             (megatron([1] * 9, {**ARGUMENTS, "multi_latent_attention": True}), (), "latent attention"),
             (megatron([1] * 9, {**ARGUMENTS, "data_parallel_size": 64, "global_batch_size": 512}), (), "128"),
             (mlperf([1] * 9, False) + ":::MLLOG {broken\n", (), "run.log:12"))
    for number, (text, words, said) in enumerate(cases):
        code, stderr = explain(emulator, text, *words, good=False, apart=number == 0)
        claim(code == 2 and said in stderr, f"{said}: {code} {stderr}")


if __name__ == "__main__":
    run_case(divided, formats, refused)
