"""Jobs of what other tools play: which format it is, the options it has, and the files it becomes."""

import re

from chakra_file import is_chakra, read_chakra
from goal_file import is_goal, read_goal
from operations_file import job_text
from simai_file import is_simai, read_simai
from wiring import Refusal

UNITS_PS = {"ps": 1, "ns": 10**3, "us": 10**6, "ms": 10**9, "s": 10**12}


def time_ps(text, option):
    """A time as the job files write it, in picoseconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?(ps|ns|us|ms|s)", text)
    if not found:
        raise Refusal(f"{option} wants a time, as '1.5 us', got '{text}'")
    return round(float(found[1]) * UNITS_PS[found[2]])


def text_of(path):
    """What a file says, or None where it is no text."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None
    except OSError as error:
        raise Refusal(f"{path}: {error.strerror}") from error


def is_job(path):
    """Is it something to play, and no fabric?"""
    if is_chakra(path):
        return True
    text = text_of(path)
    return text is not None and (is_goal(text) or is_simai(text))


def rate(text, option, unit):
    """So many a second, of numbers as 989 TFLOP/s or 3.35 TB/s."""
    found = re.fullmatch(rf"(\d+(?:\.\d+)?) ?([kMGTP]?){unit}/s", text)
    if not found:
        raise Refusal(f"{option} wants a rate, as '3.35 T{unit}/s', got '{text}'")
    return float(found[1]) * 1000.0 ** " kMGTP".index(found[2] or " ")


def options(said, eager):
    """Fill in what was not said."""
    said.flops = rate(said.flops, "--flops", "FLOP") if said.flops else None
    said.memory = rate(said.memory, "--memory", "B") if said.memory else None
    said.calc, said.overhead = said.calc or "1 ns", said.overhead or "0 ns"
    said.eager, said.latency = said.eager or eager, said.latency or "0 us"
    said.calc_ps, said.overhead_ps = time_ps(said.calc, "--calc"), time_ps(said.overhead, "--overhead")
    if said.latency != "none":
        time_ps(said.latency, "--latency")
    if not re.fullmatch(r"all|\d+(\.\d+)? ?([kMGT]i?)?B", said.eager):
        raise Refusal(f"--eager wants a size or 'all', got '{said.eager}'")


def brought(said):
    """The operations, and what was assumed."""
    if is_chakra(said.text):
        options(said, "0 B")
        return read_chakra(said.text, said)
    text = text_of(said.text)
    goal = is_goal(text)
    options(said, "65535 B" if goal else "0 B")
    return (read_goal if goal else read_simai)(said.text, text, said)


def job_files(said, name):
    """Files by name, and what was told."""
    operations, told = brought(said)
    comments = [f"From {said.text.name}:", *(f"- {line}" for line in told)]
    return {f"{name}.csv": operations.csv(), f"{name}.yaml": job_text(name, operations, said, comments)}, told
