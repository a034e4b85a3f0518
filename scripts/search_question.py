"""search_question.py: what scripts/search is asked: which machine, model or job, which settings and axes; and the facts behind them."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess

import yaml

import program
from command import Refusal, check_values, did_you_mean, split_setting, version
from search_report import of_job
from search_space import CHOSEN, KEYS, PLACEMENTS, Facts

ROOT = program.ROOT
KERNELS = ("flash3", "cudnn", "flash2", "flash1", "unfused")  # the first that the GPU has a figure for
COUNTS = {"tp": 1, "pp": 1, "vp": 1, "cp": 1, "ep": 1, "zero": 0, "microbatch": 1}  # axes that are numbers, and their least


def find(text, folders, what):
    """A file, or the one that has the name in a folder of the project."""
    path = pathlib.Path(text)
    if path.is_file():
        return path
    known = {file.stem: file for folder in folders for file in sorted((ROOT / folder).glob("*.yaml"))}
    if text in known:
        return pathlib.Path(os.path.relpath(known[text]))
    raise Refusal(f"there is no {what} '{text}'{did_you_mean(path.stem, known)} ({' and '.join(folders)} have {len(known)})")


class Question:
    """What is asked: files, settings, and the facts that the axes follow from."""

    def __init__(self, said):
        self.colossim = (said.program or program.build()).resolve()
        self.topology = find(said.files[0], ["topologies"], "topology")
        self.subject = find(said.files[1], ["jobs/models", "jobs"], "model or job")
        self.settings, self.extra, self.fixed = [], {}, {}
        self.take_settings(said)
        machine = self.read("check", self.topology, "--defaults", *self.sets(lambda key: not of_job(key)))[0]
        about = self.read("check", self.subject, "--defaults")[0]
        if about["kind"] not in ("training", "model"):
            raise Refusal(f"{self.subject} is of kind {about['kind']}: a model or a training job is wanted")
        self.is_job = about["kind"] == "training"
        self.said, self.machine, self.about = said, machine, about
        self.gpus = program.gpus_of(machine)
        if said.gpus and said.gpus > self.gpus:
            raise Refusal(f"--gpus {said.gpus}: {self.topology} has {self.gpus}")
        self.name = about.get("name") or self.subject.stem
        stems = (self.topology.stem, self.subject.stem)
        self.folder = (said.output or pathlib.Path("output", f"search-{stems[0]}-{stems[1]}")).resolve()

    def take_settings(self, said):
        axis_of = {key: axis for axis, key in KEYS.items()}
        for option, setting in [("--set", s) for s in said.set] + [("--fix", s) for s in said.fix]:
            key, values = split_setting(option, setting)
            if option == "--fix" and key not in KEYS:
                raise Refusal(f"--fix: there is no axis '{key}'{did_you_mean(key, KEYS)} (axes: {', '.join(KEYS)})")
            if option == "--fix" or axis_of.get(key, "routing") != "routing":
                axis = axis_of.get(key, key)
                self.fixed.setdefault(axis, []).extend(int(v) if v.isdecimal() else v for v in values)
            elif len(values) > 1:
                self.extra.setdefault(key, []).extend(values)
            else:
                self.settings.append(f"{key}={values[0]}")
        check_values({**self.extra, **{axis: [str(v) for v in values] for axis, values in self.fixed.items()}})
        self.check_fixed()
        if said.precision:
            self.settings.append(f"training.precision={said.precision}")

    def check_fixed(self):
        """What the arithmetic of the space reckons with; the rest the program judges."""
        for axis, least in COUNTS.items():
            for value in self.fixed.get(axis, []):
                if not isinstance(value, int) or value < least:
                    raise Refusal(f"--fix: {axis} wants a whole number from {least}, got '{value}'")
        for axis, known in (("placement", PLACEMENTS), ("ends", ("off", "on"))):
            for value in self.fixed.get(axis, []):
                if value not in known:
                    raise Refusal(f"--fix: there is no {axis} '{value}'{did_you_mean(str(value), known)} ({', '.join(known)})")

    def sets(self, of):
        return [word for setting in self.settings if of(setting) for word in ("--set", setting)]

    def read(self, verb, *words):
        """Documents of what the program prints."""
        done = subprocess.run([str(self.colossim), verb, *map(str, words)], env=program.environment(), capture_output=True, text=True)
        if done.returncode != 0:
            raise Refusal(done.stderr.strip())
        return list(yaml.safe_load_all(done.stdout)) if verb == "check" else done.stdout

    def model(self):
        """The shape, and the file it is in."""
        if not self.is_job:
            return dict(self.about), self.subject
        name = self.about["model"]
        beside = [self.subject.parent / "models", self.subject.parent.parent / "models", ROOT / "jobs/models"]
        path = next((folder / f"{name}.yaml" for folder in beside if (folder / f"{name}.yaml").is_file()), None)
        if not path:
            raise Refusal(f"the model '{name}' of {self.subject} is in none of {', '.join(map(str, beside))}")
        shape = self.read("check", path, "--defaults")[0]
        shape.update({key: value for key, value in self.about.get("model_changes", {}).items() if value != "kept"})
        return shape, path

    def write_template(self, model_path):
        """The job without what is chosen, in DIR, with its model beside it."""
        if self.is_job:
            job = yaml.safe_load(self.subject.read_text(encoding="utf-8"))
            job["parallel"] = {key: value for key, value in job.get("parallel", {}).items() if key not in CHOSEN}
            job.get("training", {}).pop("recompute", None)
            for key in ("noise", "steps", "trace", "placement", "sources", "description"):
                job.pop(key, None)
        else:
            job = {"schema_version": 1, "kind": "training", "name": self.name, "model": self.subject.stem, "parallel": {},
                   "training": {"sequence": 8192}}
        job["name"] = self.name
        if self.said.sequence:
            job["training"]["sequence"] = self.said.sequence
        job["parallel"]["global_batch"] = 1
        self.template, self.job_path = job, self.folder / "template.yaml"
        (self.folder / "models").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(model_path, self.folder / "models" / model_path.name)
        self.save_template()

    def set_batch(self, sequences):
        self.template["parallel"]["global_batch"] = sequences
        self.save_template()

    def save_template(self):
        self.job_path.write_text(yaml.safe_dump(self.template, sort_keys=False, default_flow_style=None, width=120), encoding="utf-8")

    def choose_kernel(self, runner):
        """Of a model: the fastest kernel of attention there is."""
        if self.is_job or any(setting.startswith("training.attention=") for setting in self.settings):
            return
        for kernel in KERNELS:
            if "no figure for this attention" not in runner.ask("bound", [[f"training.attention={kernel}"]])[0].get("errors", ""):
                self.template["training"]["attention"] = kernel
                self.save_template()
                return

    def facts(self, shape, gpus, batch):
        show = self.read("show", self.topology, *self.sets(lambda key: not of_job(key)))
        domain, used = int(re.search(r"domains of (\d+) GPUs", show)[1]), self.machine["node"]["domain_used"]
        mla = shape.get("mla") or {}
        own = [self.about["parallel"]["schedule"]] if self.is_job else []
        return Facts(gpus, domain if used == "all" else used, batch, self.template["training"]["sequence"], shape["layers"], shape["heads"],
                     shape["experts"], mla.get("kv_lora", 0) > 0, self.machine["fabric"]["routing"],
                     tuple(s for s in own if s in ("zero_bubble", "dualpipe", "gpipe")))

    def asked(self):
        """Everything that answers depend on."""
        hardware = hashlib.sha256()
        for folder in (self.topology.parent / "hardware", self.topology.parent.parent / "hardware", self.folder / "models"):
            for path in sorted(folder.glob("*.yaml")):
                hardware.update(path.read_bytes())
        return {"program": [*version(self.colossim), os.stat(self.colossim).st_mtime_ns], "settings": self.settings,
                "topology": hashlib.sha256(self.topology.read_bytes()).hexdigest(), "files": hardware.hexdigest(),
                "job": hashlib.sha256(self.job_path.read_bytes()).hexdigest()}


def own_settings(question):
    """What makes of the template the job as it was."""
    said = yaml.safe_load(question.subject.read_text(encoding="utf-8"))
    chosen = [f"parallel.{key}={json.dumps(value)}" for key, value in said.get("parallel", {}).items() if key in CHOSEN]
    chosen += ["parallel.global_batch=auto"] * ("global_batch" not in said["parallel"])
    if "recompute" in said.get("training", {}):
        chosen.append(f"training.recompute={json.dumps(said['training']['recompute'])}")
    if "placement" in said:
        chosen.append(f"placement={json.dumps(said['placement'])}")
    return chosen
