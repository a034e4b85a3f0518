"""output_file.py: what plot, compare, draw, report, export and sweep write is whole, or not there, and never what they read.

A file is written beside its place and put there when all of it is written: a full disk or a signal leaves what was there before.
"""

import contextlib
import os
import pathlib


class OutputError(Exception):
    """The place cannot be written to; the text says why."""


@contextlib.contextmanager
def whole(path, inputs=()):
    """The path to write to, which becomes `path` at the end. Devices and pipes are written to as they are."""
    path = pathlib.Path(os.path.realpath(path))  # a link stays one
    if any(os.path.exists(path) and os.path.samefile(path, one) for one in inputs):
        raise OutputError(f"{path} is what is read: it is not written over")
    if path.exists() and not path.is_file():
        yield path
        return
    part = path.with_name(f".{os.getpid()}-{path.name}")  # with its ending, which says the format
    try:
        yield part
        os.replace(part, path)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        part.unlink(missing_ok=True)


def save(figure, path, inputs=(), **how):
    """A picture, in the format that the ending of its name says."""
    path = pathlib.Path(path)
    known = figure.canvas.get_supported_filetypes()
    if path.suffix[1:].lower() not in known:
        raise OutputError(f"{path}: no format of pictures; there are {', '.join(sorted(known))}")
    with whole(path, inputs) as part:
        figure.savefig(part, format=path.suffix[1:].lower(), **how)
