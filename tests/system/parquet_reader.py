"""parquet_reader.py: reads the Parquet files of scripts/export with nothing of the code that writes them.

From parquet.thrift: a file is pages behind each other and a footer that says where; here one page a column and row group,
PLAIN behind RLE levels, gzip. `read` gives {column: list}, None where there is no value, and the words of the file.
"""

import pathlib
import struct
import zlib


class Compact:
    """Thrift's compact protocol, into {field: value}."""

    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def byte(self):
        self.at += 1
        return self.data[self.at - 1]

    def varint(self):
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def signed(self):
        value = self.varint()
        return value >> 1 ^ -(value & 1)

    def value(self, kind):
        if kind in (4, 5, 6):
            return self.signed()
        if kind == 8:
            n = self.varint()
            self.at += n
            return bytes(self.data[self.at - n:self.at])
        if kind == 9:
            head = self.byte()
            n = head >> 4 if head >> 4 < 15 else self.varint()
            return [self.value(head & 15) for _ in range(n)]
        if kind == 12:
            return self.struct()
        raise ValueError(f"kind {kind} of a field")

    def struct(self):
        fields, number = {}, 0
        while True:
            head = self.byte()
            if head == 0:
                return fields
            number += head >> 4
            fields[number] = self.value(head & 15)


def present(data, n):
    """Definition levels; what follows them."""
    length = struct.unpack_from("<I", data)[0]
    reader, there = Compact(data, 4), []
    while reader.at < 4 + length:
        head = reader.varint()
        if head & 1:
            raise ValueError("bit-packed levels")
        there += [reader.byte()] * (head >> 1)
    if len(there) != n or reader.at != 4 + length:
        raise ValueError("levels of another number of rows")
    return there, data[4 + length:]


def plain(data, kind, n):
    if kind != 6:
        return list(struct.unpack(f"<{n}{ {1: 'i', 2: 'q', 5: 'd'}[kind]}", data))
    texts, at = [], 0
    for _ in range(n):
        length = struct.unpack_from("<I", data, at)[0]
        texts.append(data[at + 4:at + 4 + length].decode())
        at += 4 + length
    if at != len(data):
        raise ValueError("bytes behind the last text")
    return texts


def column(data, chunk):
    """Values of a column of a row group."""
    meta = chunk[3]
    reader = Compact(data, meta[9])
    header = reader.struct()
    packed = data[reader.at:reader.at + header[3]]
    if reader.at + header[3] - meta[9] != meta[7]:
        raise ValueError("a chunk is not as long as its page")
    body = zlib.decompress(packed, 31)
    if len(body) != header[2] or header[5][1] != meta[5]:
        raise ValueError("a page is not what its header says")
    there, rest = present(body, meta[5])
    values = iter(plain(rest, meta[1], sum(there)))
    return meta[3][0].decode(), [next(values) if level else None for level in there]


def read(path):
    data = pathlib.Path(path).read_bytes()
    if data[:4] != b"PAR1" or data[-4:] != b"PAR1":
        raise ValueError("no Parquet file")
    length = struct.unpack("<I", data[-8:-4])[0]
    footer = Compact(data[-8 - length:-8]).struct()
    names = [element[4].decode() for element in footer[2][1:]]
    columns = {name: [] for name in names}
    unsigned = {element[4].decode() for element in footer[2][1:] if element.get(6) == 14}
    for group in footer[4]:
        for chunk in group[1]:
            name, values = column(data, chunk)
            columns[name] += [value % 2**64 if name in unsigned else value for value in values]
    if any(len(values) != footer[3] for values in columns.values()) or footer[2][0][5] != len(names):
        raise ValueError("rows or columns that are not there")
    return columns, {pair[1].decode(): pair[2].decode() for pair in footer[5]}
