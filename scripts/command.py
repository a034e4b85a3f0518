"""command.py: what scripts/sweep and scripts/search share of a command line: values of keys, refusals, and requests to stop."""

import argparse
import difflib
import re
import signal
import subprocess
import sys

import program


class Refusal(Exception):
    """Wrong usage or input; the text says what."""


def tell(text):
    print(text, file=sys.stderr, flush=True)


def split_values(text):
    """Values between commas; what is within brackets, braces or quotes is one value."""
    values, depth, quote, value = [], 0, "", ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"" and not value.strip():
            quote = letter
        else:
            depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0 and not quote:
            values.append(value.strip())
            value = ""
        else:
            value += letter
    return [*values, value.strip()]


def split_setting(option, setting):
    """(key, values) of KEY=V1,V2."""
    key, equals, values = setting.partition("=")
    if not equals or not key.strip():
        raise Refusal(f"{option} wants KEY=VALUE, got '{setting}'")
    return key.strip(), split_values(values)


def check_values(grid):
    """Refuse values that are empty or there twice."""
    for key, values in grid.items():
        for value in values:
            if not value:
                raise Refusal(f"{key} has an empty value")
            if values.count(value) > 1:
                raise Refusal(f"{key} has the value {value} twice")


def did_you_mean(word, known):
    """'; did you mean X?' if one of `known` is near."""
    near = difflib.get_close_matches(word, list(known), 1, 0.5)
    return f"; did you mean '{near[0]}'?" if near else ""


def not_negative(text):
    """A number, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"wants a number from 0, got '{text}'")
    return value


def positive(text):
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"wants a number from 1, got '{text}'")
    return int(text)


def version(colossim):
    """(version, commit) as traces have them."""
    done = subprocess.run([colossim, "--version"], env=program.environment(), capture_output=True, text=True)
    match = re.match(r"(colossim \S+) \((\w+),", done.stdout)
    if not match:
        raise Refusal(f"{colossim} does not say its version: {done.stderr.strip()}")
    return match[1], match[2]


class Stop:
    """Counts requests to end, and remembers the signal."""

    def __init__(self):
        self.signal, self.count = 0, 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup
                signal.signal(number, self.take)

    def take(self, number, _):
        self.signal, self.count = number, self.count + 1
