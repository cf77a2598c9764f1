"""Draw the figure of the first page, ``assets/speaker_test.svg``, from the saved result of the speaker test.

python scripts/first_page_figure.py
"""

import json
from pathlib import Path
from xml.sax.saxutils import escape

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks" / "results" / "speakers.json"
FIGURE = ROOT / "assets" / "speaker_test.svg"
ENCODER = "resemblyzer"
PANELS = {"identified": "identified as the target speaker", "accepted_5": "accepted as the target speaker, at 5 %"}
# System of the result -> its name in the figure, and its colour.
SYSTEMS = {
    "natural recording": ("natural recordings", "#333333"),
    "released weights": ("output, default weights", "#005a8c"),
    "mean speaker, target's F0": ("mean speaker, target's F0", "#8a5a00"),
    "nearest TTS voice": ("nearest TTS voice", "#8a5a00"),
    "WORLD, F0 and formants": ("WORLD, F0 and formants", "#8a5a00"),
    "TTS unchanged": ("TTS unchanged", "#8a5a00"),
}
WIDTH, LEFT, RIGHT, TOP, ROW, GAP = 470, 186, 450, 30, 22, 52  # pixels


def drawing(result: dict) -> str:
    """The SVG: for each panel and system the share of outputs, with its 95 % interval and chance as a dotted line."""
    height = TOP + len(PANELS) * (len(SYSTEMS) * ROW + GAP) - 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'role="img" aria-labelledby="t" font-family="system-ui, sans-serif" font-size="12" fill="#111111">',
        '  <title id="t">Speaker test: shares of outputs identified and accepted as the target speaker</title>',
        f'  <rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for number, statistic in enumerate(PANELS):
        parts += _panel(result, statistic, TOP + number * (len(SYSTEMS) * ROW + GAP))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(result: dict, statistic: str, top: int) -> list[str]:
    rows = {row["system"]: row for row in result["rows"] if _is_of(row, statistic)}
    bottom = top + len(SYSTEMS) * ROW
    parts = [f'  <text x="8" y="{top - 10}" font-weight="600">{escape(PANELS[statistic])}</text>']
    for percent in (0, 25, 50, 75, 100):
        x = _x(percent / 100)
        parts.append(f'  <path d="M{x} {top} V{bottom}" stroke="#dddddd"/>')
        parts.append(f'  <text x="{x}" y="{bottom + 14}" text-anchor="middle">{percent} %</text>')
    chance = _x(rows["released weights"]["chance"])
    parts.append(f'  <path d="M{chance} {top} V{bottom}" stroke="#333333" stroke-dasharray="2 3"/>')
    for number, (system, (name, colour)) in enumerate(SYSTEMS.items()):
        row, y = rows[system], top + number * ROW + ROW // 2
        low, value, high = (_x(row[key]) for key in ("low", "value", "high"))
        parts.append(f'  <text x="{LEFT - 12}" y="{y + 4}" text-anchor="end">{escape(name)}</text>')
        parts.append(f'  <path d="M{low} {y} H{high}" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'  <circle cx="{value}" cy="{y}" r="4" fill="{colour}"/>')
    return parts


def _is_of(row: dict, statistic: str) -> bool:
    return (row["encoder"], row["pairs"], row["statistic"]) == (ENCODER, "all", statistic)


def _x(share: float) -> float:
    return round(LEFT + share * (RIGHT - LEFT), 1)


def main() -> None:
    """Write the figure."""
    FIGURE.write_text(drawing(json.loads(RESULT.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()
