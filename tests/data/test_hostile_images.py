"""Images that promise more pixels than any memory has are refused by their header, in one line."""

import struct
import zlib

import pytest
from PIL import EpsImagePlugin

from triplehead.data.images import decode, size_of
from triplehead.errors import InputError


def png(width: int, height: int) -> bytes:
    """A PNG whose header says so; there are hardly any pixels in it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


HUGE = [(60_000, 60_000), (2**31 - 1, 2**31 - 1), (100_000, 1_000), (1, 200_000_000), (12_000, 12_000), (9_500, 9_500)]


@pytest.mark.filterwarnings("ignore")  # as for users, whom a warning of Pillow's would not stop
@pytest.mark.parametrize("size", HUGE)
@pytest.mark.parametrize("read", [decode, size_of])
def test_a_huge_header_is_refused(tmp_path, size, read):
    file = tmp_path / "bomb.png"
    file.write_bytes(png(*size))
    with pytest.raises(InputError, match=r"bomb\.png: .*(bomb|pixels)") as caught:
        read(file)
    assert "\n" not in str(caught.value)


def test_a_large_photograph_is_not(tmp_path):
    file = tmp_path / "large.png"
    file.write_bytes(png(8_000, 6_000))
    assert size_of(file) == (6_000, 8_000)


@pytest.mark.parametrize("name", ["a.eps", "a.jpg"])
def test_no_program_is_run_for_an_image(tmp_path, monkeypatch, name):
    """Pillow would hand PostScript to Ghostscript, whatever the file's name."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "gs").write_text(f"#!/bin/sh\ntouch '{tmp_path}/owned'\n")
    (tmp_path / "bin" / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.setattr(EpsImagePlugin, "gs_binary", None)  # looked for once
    file = tmp_path / name
    file.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n0 0 8 8 rectfill\n%%EOF\n")
    with pytest.raises(InputError, match="is not a readable image"):
        decode(file)
    assert not (tmp_path / "owned").exists()
