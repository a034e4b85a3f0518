"""scenario.py: senders into one port under DCQCN, as `incast` and system.dcqcn play them."""

import pathlib

import h5py
import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
LINE_BPS = 5e9  # bytes per second
GBPS = 8e-9
DELAY_US = {"200 m": 4, "4250 m": 85}  # of the loop: a mark crosses four cables until less comes


def prepare(folder):
    """The files of this folder, so that flows.csv can stand beside them."""
    (folder / "hardware").mkdir(exist_ok=True)
    for path in (*HERE.glob("*.yaml"), *HERE.glob("hardware/*.yaml")):
        (folder / path.relative_to(HERE)).write_text(path.read_text())


class Played:
    """A trace: times in s, the queue before the receiver in bytes, and the rate of each sender in Gb/s, by interval."""

    def __init__(self, path):
        with h5py.File(path) as file:
            column = lambda name: file[f"intervals/{name}"][:]
            self.start, self.end = column("start_ps") * 1e-12, column("end_ps") * 1e-12
            link, down, used = column("hot_link"), column("hot_direction") == 1, column("hot_utilisation")
            self.queue = np.where(down, np.nan_to_num(column("hot_queue_mean")), 0).max(axis=1)
            senders = sorted(set(link[~down & (link >= 0)]))
            self.rate = np.array([np.where((link == sender) & ~down, used, 0).sum(axis=1) for sender in senders]).T * LINE_BPS * GBPS

    def between(self, from_s, to_s):
        return (self.start >= from_s) & (self.end <= to_s)

    def mean_queue(self, from_s, to_s):
        when = self.between(from_s, to_s)
        return np.average(self.queue[when], weights=(self.end - self.start)[when])

    def rates(self, from_s, to_s):
        when = self.between(from_s, to_s)
        return np.average(self.rate[when], axis=0, weights=(self.end - self.start)[when])

    def full_again_ms(self):
        """When a queue has come back, after that of the beginning has gone."""
        return self.start[np.argmax((self.start > 1e-3) & (self.queue > 1000))] * 1e3


def jain(rates):
    return rates.sum() ** 2 / (len(rates) * (rates ** 2).sum())


def lines(starts_s, until_s):
    """A table of flows: sender k begins at starts_s[k]; the link is busy until until_s, by max-min shares."""
    sent, left = np.zeros(len(starts_s)), sorted(set(starts_s)) + [until_s]
    for begin, end in zip(left, left[1:]):
        there = np.array(starts_s) <= begin
        sent += there * (end - begin) * LINE_BPS / there.sum()
    return "source,destination,bytes,start\n" + "".join(
        f"{k + 1},0,{int(sent[k])} B,{round(start * 1e6)} us\n" for k, start in enumerate(starts_s))


def play(emulator, starts_s, until_s, cable="200 m", **settings):
    """Senders that begin at starts_s, in a run of about until_s with intervals of 100 us."""
    prepare(emulator.folder)
    (emulator.folder / "flows.csv").write_text(lines(starts_s, until_s))
    return Played(emulator.trace(emulator.folder / "star.yaml", emulator.folder / "flows.yaml", ranks=0, engine="packet",
                                 fabric__tiers__leaf__cable=cable, trace__hot_links=64, trace__intervals=int(until_s * 1e4), **settings))
