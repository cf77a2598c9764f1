"""Length of a frame of compressed audio in bytes, by its header.

References: ISO/IEC 11172-3 and 13818-3 (MPEG audio, layers II and III), ISO/IEC 13818-7, section 6.2 (AAC in ADTS),
ETSI TS 102 366 (AC-3, and E-AC-3 in annex E).
"""

from collections.abc import Callable

LAYER_III, LAYER_II = 0xE2, 0xE4  # the second byte of a header without its version and protection bits
MPEG_KBPS = {  # (layer, first bit of the version) -> by the bit rate's index
    (LAYER_III, 1): (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (LAYER_II, 1): (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (LAYER_III, 0): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (LAYER_II, 0): (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
MPEG_HZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}  # by version
AC3_KBPS = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
AC3_HZ = (48_000, 44_100, 32_000)
AC3_SYNC = b"\x0b\x77"
TS_SYNC, TS_BYTES, M2TS_BYTES = 0x47, 188, 192  # ISO/IEC 13818-1, section 2.4.3.2; M2TS adds a time of four bytes
MAX_AC3_VERSION, MAX_EAC3_VERSION = 10, 16  # the field bsid


def mpeg_frame_bytes(head: bytes) -> int | None:
    """The length of the frame with this header of four bytes; None where it is no header of layer II or III."""
    if len(head) < 4 or head[0] != 0xFF:
        return None
    layer, version, bit_rate, rate = head[1] & 0xE6, head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    if layer not in (LAYER_II, LAYER_III) or version not in MPEG_HZ or bit_rate in (0, 15) or rate == 3:
        return None
    samples = 576 if layer == LAYER_III and version != 3 else 1152
    kbps = MPEG_KBPS[layer, version & 1][bit_rate]
    return samples // 8 * 1000 * kbps // MPEG_HZ[version][rate] + (head[2] >> 1 & 1)


def adts_frame_bytes(head: bytes) -> int | None:
    """The length of the AAC frame with this ADTS header of seven bytes; None where it is none."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0 or head[2] >> 2 & 15 > 12:
        return None
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return length if length > 7 else None


def ac3_frame_bytes(head: bytes) -> int | None:
    """The length of the AC-3 frame with this header of six bytes; None where it is none."""
    if len(head) < 6 or head[:2] != AC3_SYNC or head[5] >> 3 > MAX_AC3_VERSION:
        return None
    rate, size = head[4] >> 6, head[4] & 63
    if rate >= len(AC3_HZ) or size >= 2 * len(AC3_KBPS):
        return None
    words = AC3_KBPS[size >> 1] * 96_000 // AC3_HZ[rate] + (size & 1 if AC3_HZ[rate] == 44_100 else 0)
    return 2 * words


def eac3_frame_bytes(head: bytes) -> int | None:
    """The length of the E-AC-3 frame with this header of six bytes; None where it is none."""
    if len(head) < 6 or head[:2] != AC3_SYNC or not MAX_AC3_VERSION < head[5] >> 3 <= MAX_EAC3_VERSION:
        return None
    return 2 * ((head[2] & 7) << 8 | head[3]) + 2


def ts_packet_bytes(head: bytes) -> int | None:
    """The length of the MPEG transport packet with this header of four bytes; None where it is none."""
    is_packet = len(head) >= 4 and head[0] == TS_SYNC and head[1] < 0x80 and 0 < head[3] < 0x40
    return TS_BYTES if is_packet and head[3] & 0x30 else None


def m2ts_packet_bytes(head: bytes) -> int | None:
    """The length of the M2TS packet with this header of eight bytes, the first four a time; None where it is none."""
    return M2TS_BYTES if ts_packet_bytes(head[4:]) else None


# FFmpeg's name of the codec, and of its format without a container.
FRAME_BYTES: dict[str, Callable[[bytes], int | None]] = {
    "mp3": mpeg_frame_bytes, "mp2": mpeg_frame_bytes, "aac": adts_frame_bytes, "ac3": ac3_frame_bytes,
    "eac3": eac3_frame_bytes,
}  # fmt: skip
