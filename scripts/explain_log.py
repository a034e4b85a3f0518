"""explain --log LOG TOPOLOGY [JOB] [--set KEY=VALUE ...] [--json]: a real run against the emulated one.

LOG is what a training run printed: Megatron-LM (its arguments and its iterations), NeMo (iterations) or MLPerf (:::MLLOG lines). TOPOLOGY is the
machine that it ran on; JOB a job whose model and plan the run had, where the log does not say them (a log of Megatron-LM does). What the log
says is put over the job, and --set over both. The plan is played, and the distance between the steps is divided into what is usual between
operators, by how far the program was from published runs like this one, and what is not. Warm-up and single slow steps are put aside.
"""

import argparse
import json
import pathlib
import re
import statistics
import subprocess
import tempfile
import textwrap

import h5py

import program
import trace_file

ARGUMENT = re.compile(r"^(?:\[?\w+\]?:\s*)?\s{0,4}(\w+) \.{2,} ?(.*?)\s*$")
ITERATION = re.compile(r"\biteration\s+(\d+)\s*/\s*\d+ \|.*?elapsed time per iteration \(ms\): ([\d.]+)")
THROUGHPUT = re.compile(r"throughput per GPU \(TFLOP/s/GPU\): ([\d.]+)")
NEMO = re.compile(r"\biteration (\d+)/\d+ \|.*?train_step_timing in s: ([\d.]+)")
BATCH = re.compile(r"\bglobal[ _]batch[ _]size:\s*(\d+)")
# A word of a log -> key of a job, where the value is the same.
SAME = {
    "tensor_model_parallel_size": "parallel.tp", "pipeline_model_parallel_size": "parallel.pp", "context_parallel_size": "parallel.cp",
    "data_parallel_size": "parallel.dp", "micro_batch_size": "parallel.microbatch", "global_batch_size": "parallel.global_batch",
    "seq_length": "training.sequence", "max_sequence_length": "training.sequence",
}
# Of Megatron-LM: what its switches are in a job, if they are on and if they are off.
SWITCHES = {
    "use_distributed_optimizer": ("parallel.zero", "1", "0"), "overlap_grad_reduce": ("training.grad_overlap", "on", "off"),
    "accumulate_allreduce_grads_in_fp32": ("training.grad_precision", "fp32", "bf16"),
}
# A word of the arguments -> key of a model.
MODEL = {
    "num_layers": "layers", "hidden_size": "hidden", "num_attention_heads": "heads", "kv_channels": "head_dim", "ffn_hidden_size": "ffn",
    "padded_vocab_size": "vocab", "num_experts": "experts", "moe_router_topk": "top_k", "moe_ffn_hidden_size": "expert_ffn",
}
RECIPES = {"delayed": "fp8", "tensorwise": "fp8-current", "blockwise": "fp8-block", "mxfp8": "mxfp8"}
# What changes a step and is in no key here: told, if it is on.
UNUSED = ("recompute_num_layers", "recompute_modules", "multi_latent_attention", "moe_layer_freq", "moe_shared_expert_intermediate_size", "mtp_num_layers",
          "enable_cuda_graph", "cuda_graph_impl", "decoder_first_pipeline_num_layers", "decoder_last_pipeline_num_layers", "pipeline_model_parallel_layout",
          "account_for_embedding_in_pipeline_split", "use_custom_fsdp", "use_torch_fsdp2", "cpu_offloading", "window_size", "hybrid_layer_pattern")
WARM_UP_MOST = 10  # steps that may be
SLOW = 1.15        # times the median: out of the ordinary
STEPS_LEAST = 5    # of a log
WIDTH = 110


class NotUnderstood(trace_file.TraceError):
    """A log that does not say what is needed."""


class Log:
    """Steps in seconds by number, facts {word: value} as they stand there, TFLOP/s of a GPU where it says them."""

    def __init__(self, path):
        self.path, self.steps, self.facts, self.rates = path, [], {}, []
        try:
            lines = pathlib.Path(path).read_text(errors="replace").splitlines()
        except OSError as error:
            raise NotUnderstood(f"{path}: {error.strerror}") from error
        kinds = {self.line(number, line) for number, line in enumerate(lines, 1)} - {None}
        self.kind = " and ".join(sorted(kinds - {"arguments"})) or "unknown"
        if len(self.steps) < STEPS_LEAST:
            raise NotUnderstood(f"{path}: wanted {STEPS_LEAST} or more steps with their times, as Megatron-LM, NeMo and MLPerf print them, got {len(self.steps)}")
        self.steps.sort()

    def line(self, number, line):
        """Take what a line says; returns whose it is."""
        if ":::MLLOG" in line:
            return self.mlperf(number, line[line.index(":::MLLOG") + 8:])
        if found := ARGUMENT.match(line):
            self.facts.setdefault(found[1], found[2])
            return "arguments"
        kind, found = "Megatron-LM", ITERATION.search(line)
        if found:
            self.steps.append((int(found[1]), float(found[2]) / 1000))
            if rate := THROUGHPUT.search(line):
                self.rates.append(float(rate[1]))
        elif found := NEMO.search(line):
            kind = "NeMo"
            self.steps.append((int(found[1]), float(found[2])))
        else:
            return None
        if batch := BATCH.search(line):
            self.facts.setdefault("global_batch_size", batch[1])
        return kind

    def mlperf(self, number, text):
        try:
            said = json.loads(text)
            key, value = said["key"], said["value"]
        except (ValueError, KeyError, TypeError) as error:
            raise NotUnderstood(f"{self.path}:{number}: a line of MLPerf that is none: {error}") from error
        if key == "tracked_stats" and isinstance(value, dict):
            step = said.get("metadata", {}).get("step", len(self.steps))
            if "train_step_time" in value:
                self.steps.append((int(step), float(value["train_step_time"])))
            elif value.get("throughput") and "global_batch_size" in self.facts:
                self.steps.append((int(step), int(self.facts["global_batch_size"]) / float(value["throughput"])))
        elif isinstance(value, (int, float, str)):
            self.facts[key] = str(value)
        return "MLPerf"

    def set(self, word):
        """Has it a value that is none of those that switch it off?"""
        return self.facts.get(word) not in (None, "", "None", "False", "0", "0.0", "[]")

    def on(self, word):
        return self.facts.get(word) == "True"

    def count(self, word):
        value = self.facts.get(word, "")
        return int(value) if value.isdigit() else None


def settings(log):
    """{key: value} of the job, as far as the log says them, and what it does not."""
    found = {key: log.facts[word] for word, key in SAME.items() if log.count(word)}
    for word, (key, on, off) in SWITCHES.items():
        if word in log.facts:
            found[key] = on if log.on(word) else off
    if log.on("overlap_param_gather") or log.on("use_distributed_optimizer"):
        found["training.param_overlap"] = "on" if log.on("overlap_param_gather") else "off"
    if log.on("sequence_parallel") and (log.count("tensor_model_parallel_size") or 1) > 1:
        found["parallel.sequence_parallel"] = "on"
    elif log.facts.get("sequence_parallel") == "False":
        found["parallel.sequence_parallel"] = "off"
    if log.on("tp_comm_overlap"):
        found["training.tp_overlap"] = "on"
    if (log.count("virtual_pipeline_model_parallel_size") or 1) > 1:
        found["parallel.chunks"] = log.facts["virtual_pipeline_model_parallel_size"]
    if log.count("num_experts") and (log.count("expert_model_parallel_size") or 1) > 1:
        found["parallel.ep"] = log.facts["expert_model_parallel_size"]
    if log.set("fp8"):
        found["training.precision"] = RECIPES.get(log.facts.get("fp8_recipe", "delayed"), "fp8")
    elif log.on("bf16") or log.on("fp16"):
        found["training.precision"] = "bf16" if log.on("bf16") else "fp16"
    if "transformer_impl" in log.facts:
        found["training.attention"] = "cudnn" if log.facts["transformer_impl"] == "transformer_engine" else "flash2" if log.on("use_flash_attn") else "unfused"
    if float(log.facts.get("hidden_dropout", 0) or 0) > 0:
        found["training.dropout"] = "on"
    if log.count("num_experts") and log.facts.get("moe_token_dispatcher_type") == "flex":
        found["training.dispatcher"] = "node_dedup"
    if log.facts.get("recompute_granularity") == "full" and log.facts.get("recompute_method") != "block":
        found["training.recompute"] = "[full:1]"
    elif log.facts.get("recompute_granularity") == "selective":
        found["training.recompute"] = "[core_attn]"
    return found


def model_of(log):
    """Text of the model that the arguments describe; None if they do not."""
    if any(log.count(word) is None for word in ("num_layers", "hidden_size", "num_attention_heads", "padded_vocab_size")):
        return None
    keys = {key: log.facts[word] for word, key in MODEL.items() if log.count(word)}
    if not log.count("num_experts"):
        keys = {key: value for key, value in keys.items() if key not in ("experts", "top_k", "expert_ffn")}
    else:
        keys.setdefault("expert_ffn", keys.get("ffn", "0"))
        keys.pop("ffn", None)
    if log.on("group_query_attention") and log.count("num_query_groups"):
        keys["kv_heads"] = log.facts["num_query_groups"]
    keys["activation"] = "swiglu" if log.on("swiglu") else "gelu"
    keys["tied_embeddings"] = "off" if log.on("untie_embeddings_and_output_weights") else "on"
    return "schema_version: 1\nkind: model\n" + "".join(f"{key}: {value}\n" for key, value in keys.items())


def job_of(log, folder, facts):
    """A job with nothing in it but what it must have."""
    model = model_of(log)
    if log.set("multi_latent_attention") or model is None:
        raise NotUnderstood(f"{log.path}: the log does not say a model that can be taken from it (Megatron-LM's arguments do, but for latent attention): name a JOB that has it")
    for key in ("parallel.microbatch", "parallel.global_batch", "training.sequence"):
        if key not in facts:
            raise NotUnderstood(f"{log.path}: the log does not say {key}: say it with --set {key}=N")
    (folder / "model.yaml").write_text(model)
    path = folder / f"{pathlib.Path(log.path).stem.replace(' ', '-')}.yaml"
    path.write_text(f"schema_version: 1\nkind: training\nmodel: ./model.yaml\nparallel: {{global_batch: {facts['parallel.global_batch']}}}\n"
                    f"training: {{sequence: {facts['training.sequence']}}}\nsteps: 2\n")
    return path


class Steps:
    """Steps of a log: the ordinary ones, and those put aside."""

    def __init__(self, steps):
        times = [seconds for _, seconds in steps]
        rest = times[min(WARM_UP_MOST, len(times) // 2):]
        limit = SLOW * statistics.median(rest)
        self.warm_up = 0
        while self.warm_up < min(WARM_UP_MOST, len(times) // 2) and times[self.warm_up] > limit:
            self.warm_up += 1
        later = times[self.warm_up:]
        self.slow = [seconds for seconds in later if seconds > limit]
        self.usual = [seconds for seconds in later if seconds <= limit]
        self.median = statistics.median(self.usual)
        self.lost = sum(seconds - self.median for seconds in self.slow)
        self.share_lost = self.lost / sum(later)
        self.n = len(times)


def play(arguments, facts, log, folder):
    """The emulated step, as the program says it."""
    job = arguments.job or job_of(log, folder, facts)
    sets = [word for key, value in facts.items() for word in ("--set", f"{key}={value}")]
    environment = program.environment()
    environment.setdefault("COLOSSIM_SHARE", str(program.ROOT))
    done = subprocess.run([program.as_it_is(), "run", arguments.topology, job, *sets, "--set", "steps=2", "--json", "--progress", "none", "--output", folder / "run.h5"],
                          env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise NotUnderstood(f"the plan of {log.path} does not play on {arguments.topology}; put right what is wrong with --set KEY=VALUE:\n{done.stderr.strip()}")
    said = json.loads(done.stdout)
    with h5py.File(folder / "run.h5") as file:
        said["flop_gpu"] = float(file["steps/model_flop_full"][-1] / file["steps/gpus_in_job"][-1])
        said["gpus"] = int(file["steps/gpus_in_job"][-1])
    return said


def divide(real, played, least, most):
    """Of the distance between two steps what is usual, what is not; both of its sign. Without a range: unknown."""
    if least is None:
        return None, None
    usual = min(max(real, least), most) - played
    return usual, real - played - usual


def found_of(log, steps, said, facts):
    """All that is known, for --json and for the sentences."""
    played, real = said["duration_ps"][-1] / 1e12, steps.median
    least, most = said.get("likely_least_ps"), said.get("likely_most_ps")
    least, most = (least / 1e12, most / 1e12) if least and most else (None, None)
    usual, odd = divide(real, played, least, most)
    parts = {name: ps / 1e12 for name, ps in said.get("parts_ps", {}).items() if ps}
    flop = statistics.median(log.rates) * 1e12 * real if log.rates else None
    return {"log": str(log.path), "kind": log.kind, "steps": steps.n, "warm_up": steps.warm_up, "slow_steps": len(steps.slow), "slow_share": steps.share_lost,
            "real_s": real, "emulated_s": played, "likely_s": [least, most], "usual_s": usual, "unusual_s": odd, "parts_s": parts, "gpus": said["gpus"],
            "flop_gpu_log": flop, "flop_gpu": said["flop_gpu"], "settings": facts,
            "unused": {word: log.facts[word] for word in UNUSED if log.set(word)}}


def sentences(found):
    real, played = found["real_s"], found["emulated_s"]
    first = f"the first {found['warm_up']} are" if found["warm_up"] != 1 else "the first is"
    yield (f"{found['log']} ({found['kind']}): {found['steps']} steps, of which {first} warm-up; an ordinary one takes {real:.4g} s (median)."
           if found["warm_up"] else f"{found['log']} ({found['kind']}): {found['steps']} steps without a warm-up; an ordinary one takes {real:.4g} s (median).")
    if found["slow_steps"]:
        yield (f"{found['slow_steps']} {'step' if found['slow_steps'] == 1 else 'steps'} took more than {SLOW:.2f} times as long (checkpoints, evaluations, stragglers, faults); what they took beyond "
               f"ordinary ones is {100 * found['slow_share']:.2g} % of the time after the warm-up, and not part of what follows.")
    yield f"The emulated step takes {played:.4g} s on {found['gpus']} GPUs; the real one {abs(real / played - 1) * 100:.3g} % {'longer' if real >= played else 'less'}."
    least, most = found["likely_s"]
    if least is None:
        yield "No published run is like it, so that nothing can be said of what is usual."
    elif abs(found["unusual_s"]) <= 1e-9 * real:
        yield (f"That is usual between operators: 8 in 10 published runs like it took between {least:.4g} and {most:.4g} s where the program says {played:.4g} s. "
               "Nothing of the distance asks for an explanation.")
    elif found["unusual_s"] > 0:
        yield (f"Of these {real - played:.4g} s {found['usual_s']:.4g} s are usual between operators (8 in 10 published runs like it took between {least:.4g} and {most:.4g} s); "
               f"{found['unusual_s']:.4g} s, {100 * found['unusual_s'] / real:.3g} % of the real step, are not: look for what the plan below does not have, slow GPUs or links, input, other jobs.")
    else:
        yield (f"Of these {played - real:.4g} s {-found['usual_s']:.4g} s are usual between operators ({least:.4g} to {most:.4g} s); {-found['unusual_s']:.4g} s are not: "
               "the run does less than the plan below, or has better kernels than the program knows.")
    if found["parts_s"]:
        first = sorted(found["parts_s"].items(), key=lambda part: -part[1])[:5]
        yield "The emulated step is " + ", ".join(f"{name} {100 * seconds / played:.3g} %" for name, seconds in first) + "."
    if found["flop_gpu_log"]:
        ratio = found["flop_gpu_log"] / found["flop_gpu"]
        yield (f"The log counts {found['flop_gpu_log'] / 1e12:.4g} TFLOP a GPU and step, the emulated plan {found['flop_gpu'] / 1e12:.4g}"
               + (": the same work." if 0.95 < ratio < 1.05 else ": another model or batch; what is said above is of two different things until that is put right."))
    if found["unused"]:
        yield "The log also says what the emulated plan has not: " + ", ".join(f"{word} {value}" for word, value in found["unused"].items()) + "."
    yield ("Taken from the log and --set: " + (", ".join(f"{key} {value}" for key, value in found["settings"].items()) or "nothing")
           + ". Assumed: all else is as the job or the defaults of colossim have it; --set KEY=VALUE changes both.")


def main(words):
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--log", required=True)
    parser.add_argument("topology")
    parser.add_argument("job", nargs="?")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args(words)
    log = Log(arguments.log)
    facts, steps = settings(log), Steps(log.steps)
    for said in arguments.set:
        key, _, value = said.partition("=")
        facts[key] = value
    with tempfile.TemporaryDirectory() as folder:
        found = found_of(log, steps, play(arguments, facts, log, pathlib.Path(folder)), facts)
    if arguments.json:
        print(json.dumps(found, indent=1))
        return 0
    for sentence in sentences(found):
        print(textwrap.fill(sentence, WIDTH, break_long_words=False, break_on_hyphens=False) + "\n")
    return 0
