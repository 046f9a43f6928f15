"""Coding sheets in the forms that spreadsheet programs write, without them."""

import csv
import io
import struct

import openpyxl

# Numbers of sectors of an OLE2 container that mean none, the last of a chain, and the table itself.
NONE, LAST, TABLE = 2**32 - 1, 2**32 - 2, 2**32 - 3


def write_xlsx(path, rows, **worksheets):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for name, more in worksheets.items():
        page = book.create_sheet(name)
        for row in more:
            page.append(row)
    book.save(path)


def text_writer(separator=",", encoding="utf-8"):
    def write(path, rows):
        stream = io.StringIO()
        csv.writer(stream, delimiter=separator).writerows(
            [["" if cell is None else cell for cell in row] for row in rows]
        )
        path.with_suffix(".csv").write_bytes(stream.getvalue().encode(encoding))

    return write


def write_xls(path, rows):
    """Write BIFF8 cells in an OLE2 container, which is what Excel 97 wrote."""

    def record(kind, data):
        return struct.pack("<HH", kind, len(data)) + data

    def string(text):
        return struct.pack("<HB", len(text), 1) + text.encode("utf-16-le")

    cells = b""
    for r, row in enumerate(rows):
        for c, cell in enumerate(row):
            if isinstance(cell, int | float):
                cells += record(0x0203, struct.pack("<HHHd", r, c, 0, cell))
            elif cell is not None:
                cells += record(0x0204, struct.pack("<HHH", r, c, 0) + string(str(cell)))
    start = record(0x0809, struct.pack("<HHHHII", 0x0600, 5, 0, 0, 0, 0))
    name = "Sheet1"
    sheet_place = len(start) + 4 + 8 + len(name) + 4
    bound = record(0x0085, struct.pack("<IHBB", sheet_place, 0, len(name), 0) + name.encode())
    page = record(0x0809, struct.pack("<HHHHII", 0x0600, 0x0010, 0, 0, 0, 0)) + cells
    stream = start + bound + record(0x000A, b"") + page + record(0x000A, b"")
    stream = stream.ljust(max(4096, -(-len(stream) // 512) * 512), b"\0")
    n_sectors = len(stream) // 512

    def entry(title, kind, child, first, size):
        named = (title.encode("utf-16-le") + b"\0\0").ljust(64, b"\0")
        sizes = (2 * len(title) + 2, kind, 1, NONE, NONE, child, b"", 0, 0, 0, first, size)
        return named + struct.pack("<HBBIII16sIQQIQ", *sizes)

    directory = entry("Root Entry", 5, 1, LAST, 0) + entry("Workbook", 2, NONE, 2, len(stream))
    directory = directory.ljust(512, b"\0")
    chain = [TABLE, LAST, *range(3, n_sectors + 2), LAST]
    table = b"".join(struct.pack("<I", n) for n in chain).ljust(512, b"\xff")
    fields = (0x3E, 3, 0xFFFE, 9, 6, b"", 0, 1, 1, 0, 4096, LAST, 0, LAST, 0)
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<HHHHH6sIIIIIIIII", *fields)
    header += struct.pack("<I", 0) + b"\xff" * (512 - len(header) - 4)
    path.with_suffix(".xls").write_bytes(header + table + directory + stream)
