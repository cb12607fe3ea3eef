"""Chart: horizontal bars with their spread, as an SVG that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

ROW, LEFT, WIDTH, RIGHT, TOP = 28, 230, 480, 150, 44
OURS, THEIRS = "#2f6f9f", "#a8b3bd"


def bars(title: str, rows: Sequence[tuple[str, float, float, float]], digits: int = 2) -> str:
    """Draw rows of (name, median, low, high); a bar longer than four medians of the middle is cut and says so."""
    high = TOP + ROW * len(rows) + 16
    ordered = sorted(row[1] for row in rows)
    cap = min(max((row[3] for row in rows), default=1), (ordered[len(ordered) // 2] if ordered else 1) * 4)
    scale = WIDTH / cap
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" height="{high}" '
        'font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="16" y="26" font-size="15" fill="#1f2933">{escape(title)}</text>',
    ]
    for index, (name, median, low, top) in enumerate(rows):
        y = TOP + index * ROW
        length = min(median, cap) * scale
        colour = OURS if name.startswith("tocsin") else THEIRS
        parts.append(f'<text x="{LEFT - 10}" y="{y + 15}" text-anchor="end" fill="#1f2933">{escape(name)}</text>')
        parts.append(f'<rect x="{LEFT}" y="{y + 3}" width="{length:.1f}" height="{ROW - 10}" fill="{colour}"/>')
        if top > low and top <= cap:
            middle = y + 3 + (ROW - 10) / 2
            parts.append(
                f'<line x1="{LEFT + low * scale:.1f}" x2="{LEFT + top * scale:.1f}" y1="{middle}" y2="{middle}" '
                'stroke="#1f2933" stroke-width="1.5"/>'
            )
        cut = " (bar cut)" if median > cap else ""
        end = LEFT + max(length, min(top, cap) * scale) + 8
        parts.append(f'<text x="{end:.1f}" y="{y + 15}" fill="#1f2933">{median:,.{digits}f}{cut}</text>')
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def lines(title: str, unit: str, rows: Sequence[tuple[str, Sequence[tuple[float, float]]]]) -> str:
    """Draw one line per (name, points), from (0, 0) to the largest of each axis; the last value stands at its end."""
    width, height, left, top = 560, 240, 90, 44
    points = [point for _, each in rows for point in each]
    right, most = (max((point[axis] for point in points), default=1) or 1 for axis in (0, 1))
    colours = ("#2f6f9f", "#b4533c", "#5b8c5a", "#8c6bb1", "#a8b3bd", "#c9a227")
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 230}" height="{top + height + 44}" '
        'font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="#ffffff"/>',
        f'<text x="16" y="26" font-size="15" fill="#1f2933">{escape(title)}</text>',
        f'<path d="M{left} {top}V{top + height}H{left + width}" fill="none" stroke="#1f2933"/>',
        f'<text x="{left - 8}" y="{top + 5}" text-anchor="end" fill="#1f2933">{most:,.0f} {escape(unit)}</text>',
        f'<text x="{left - 8}" y="{top + height + 5}" text-anchor="end" fill="#1f2933">0</text>',
        f'<text x="{left + width}" y="{top + height + 20}" text-anchor="end" fill="#1f2933">{right:,.0f}</text>',
    ]
    for index, (name, each) in enumerate(rows):
        colour = colours[index % len(colours)]
        places = [(left + x / right * width, top + height - y / most * height) for x, y in each]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in places]
        last = f" {each[-1][1]:,.1f} {unit}" if each else ""
        y = top + 12 + index * 20
        parts.append(f'<text x="{left + width + 16}" y="{y}" fill="{colour}">{escape(name + last)}</text>')
    parts.append("</svg>")
    return "\n".join(parts) + "\n"
