"""planner.py: asks the program about many settings of one job: what of them can run, how fast they are at best, how fast they are.

Idea.    Processes of `colossim plans`, each answering a line with a line, so that a question costs no start. Questions go to whoever
         is free, in the order of a source that may change its mind between two of them.
Limits.  One that dies answers for the question that killed it ("failed"), and another takes its place.
"""

import json
import subprocess
import tempfile
import threading

import program


class Planner:
    """One process."""

    def __init__(self, colossim, where, topology, job, settings=(), play=False):
        words = [word for setting in settings for word in ("--set", setting)]
        self.command = [str(colossim), "plans", str(topology), str(job), *words, *["--play"] * play]
        self.where, self.process = where, None

    def start(self):
        self.errors = tempfile.TemporaryFile("w+")
        # A session of its own: Ctrl-C comes through the script alone.
        self.process = subprocess.Popen(self.command, cwd=self.where, env=program.environment(), text=True, bufsize=1,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, start_new_session=True)

    def ask(self, settings):
        """The answer to settings ["key=value", ...] as a dictionary."""
        if not self.process:
            self.start()
        try:
            self.process.stdin.write("\t".join(settings) + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())
        except (OSError, ValueError):
            return self.bury()

    def bury(self):
        code = self.process.wait()
        self.errors.seek(0)
        words = self.errors.read().strip()
        self.close()
        reason = words.splitlines()[-1] if words else f"the program ended with exit code {code}"
        return {"verdict": "failed", "reason": reason, "errors": words or reason}

    def close(self):
        if not self.process:
            return
        for stream in (self.process.stdin, self.process.stdout):
            try:
                stream.close()
            except OSError:
                pass
        self.process.terminate()
        self.process.wait()
        self.errors.close()
        self.process = None


class Crew:
    """Several of them."""

    def __init__(self, planners):
        self.planners, self.lock = planners, threading.Lock()

    def work(self, take, give):
        """take() gives (key, settings) or None where there is nothing more to ask; give(key, answer) gets what comes. Both are called
        by one thread at a time."""
        threads = [threading.Thread(target=self.serve, args=(planner, take, give), daemon=True) for planner in self.planners]
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():  # signals are looked at in between
                thread.join(0.1)

    def serve(self, planner, take, give):
        try:
            while True:
                with self.lock:
                    question = take()
                if question is None:
                    return
                answer = planner.ask(question[1])
                with self.lock:
                    give(question[0], answer)
        finally:
            planner.close()
