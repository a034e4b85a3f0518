"""parquet_file.py: a table of numpy columns as an Apache Parquet file, without a library.

Debian 12 has none for Python (pyarrow, fastparquet), so the part of the format that a plain table needs stands here: row
groups of a page a column, PLAIN values behind RLE definition levels, compressed with gzip, and the footer in
Thrift's compact protocol. What reads Parquet reads it: pandas, Polars, DuckDB, Arrow, Spark.

A column is (values, missing): an array of int32, int64, uint64, float64 or str, and a mask of rows without a value, or None.
Source: https://parquet.apache.org/docs/file-format/ and parquet-format's parquet.thrift (2.10).
"""

import gzip
import struct

import numpy as np

MAGIC = b"PAR1"
ROWS = 1 << 20  # of a row group
# parquet.thrift: Type, ConvertedType, Encoding, CompressionCodec, FieldRepetitionType.
INT32, INT64, DOUBLE, BYTE_ARRAY = 1, 2, 5, 6
UTF8, UINT_64 = 0, 14
PLAIN, RLE = 0, 3
GZIP = 2
OPTIONAL = 1


class Struct:
    """A Thrift struct in the compact protocol: fields in the order of their numbers."""

    def __init__(self):
        self.bytes, self.last = bytearray(), 0

    def field(self, number, kind):
        self.bytes.append((number - self.last) << 4 | kind)
        self.last = number
        return self

    def i32(self, number, value):
        self.field(number, 5).bytes += varint(zigzag(value))
        return self

    def i64(self, number, value):
        self.field(number, 6).bytes += varint(zigzag(value))
        return self

    def text(self, number, value):
        self.field(number, 8).bytes += varint(len(value.encode())) + value.encode()
        return self

    def struct(self, number, value):
        self.field(number, 12).bytes += value.end()
        return self

    def list(self, number, kind, items):
        head = bytes([len(items) << 4 | kind]) if len(items) < 15 else bytes([0xF0 | kind]) + varint(len(items))
        self.field(number, 9).bytes += head + b"".join(items)
        return self

    def end(self):
        return bytes(self.bytes) + b"\0"


def zigzag(value):
    return value << 1 if value >= 0 else (-value << 1) - 1


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def levels(missing, n):
    """Definition levels, 1 where there is a value, as runs behind their length in bytes."""
    there = np.ones(n, np.uint8) if missing is None else (~missing).astype(np.uint8)
    begin = np.flatnonzero(np.diff(there, prepend=2))
    runs = np.diff(begin, append=n)
    out = b"".join(varint(int(run) << 1) + bytes([there[at]]) for at, run in zip(begin, runs))
    return struct.pack("<I", len(out)) + out


def physical(values):
    """Parquet's type of a column, its converted type or None, and the NumPy type that it is written in."""
    if values.dtype.kind in "UO":
        return BYTE_ARRAY, UTF8, None
    if values.dtype.kind == "f":
        return DOUBLE, None, "<f8"
    if values.dtype == np.uint64:
        return INT64, UINT_64, "<u8"
    return (INT64, None, "<i8") if values.dtype.itemsize == 8 else (INT32, None, "<i4")


def plain(values):
    if values.dtype.kind in "UO":
        texts = [text.encode() for text in values.tolist()]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return values.astype(physical(values)[2]).tobytes()


def page(values, missing):
    """A data page with its header; and how long it is without compression."""
    there = values if missing is None else values[~missing]
    body = levels(missing, len(values)) + plain(there)
    packed = gzip.compress(body, compresslevel=1, mtime=0)
    data = Struct().i32(1, len(values)).i32(2, PLAIN).i32(3, RLE).i32(4, RLE)
    header = Struct().i32(1, 0).i32(2, len(body)).i32(3, len(packed)).struct(5, data).end()
    return header + packed, len(header) + len(body)


def schema(columns):
    root = Struct().text(4, "schema").i32(5, len(columns))
    elements = [root.end()]
    for name, (values, _) in columns.items():
        kind, converted, _ = physical(values)
        element = Struct().i32(1, kind).i32(3, OPTIONAL).text(4, name)
        if converted is not None:
            element.i32(6, converted)
        elements.append(element.end())
    return elements


def write(path, columns, words=()):
    """columns: {name: (values, missing)}, all as long; words: (key, value) pairs of the file."""
    n = len(next(iter(columns.values()))[0])
    groups = []
    with open(path, "wb") as file:
        file.write(MAGIC)
        for first in range(0, n, ROWS):
            rows = slice(first, min(first + ROWS, n))
            chunks, total = [], 0
            for name, (values, missing) in columns.items():
                data, bare = page(values[rows], None if missing is None else missing[rows])
                at = file.tell()
                file.write(data)
                meta = Struct().i32(1, physical(values)[0])
                meta.list(2, 5, [varint(zigzag(PLAIN)), varint(zigzag(RLE))])
                meta.list(3, 8, [varint(len(name.encode())) + name.encode()]).i32(4, GZIP)
                meta.i64(5, rows.stop - rows.start).i64(6, bare).i64(7, len(data)).i64(9, at)
                chunks.append(Struct().i64(2, at).struct(3, meta).end())
                total += bare
            groups.append(Struct().list(1, 12, chunks).i64(2, total).i64(3, rows.stop - rows.start).end())
        footer = Struct().i32(1, 1).list(2, 12, schema(columns)).i64(3, n).list(4, 12, groups)
        pairs = [Struct().text(1, key).text(2, value).end() for key, value in words]
        if pairs:
            footer.list(5, 12, pairs)
        end = footer.text(6, "colossim").end()
        file.write(end + struct.pack("<I", len(end)) + MAGIC)
