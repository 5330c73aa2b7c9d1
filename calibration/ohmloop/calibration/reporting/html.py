"""Self-contained HTML pages: no network, no script, every figure inline."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#1b1b1b;background:#fff;max-width:60rem;
margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin-bottom:.3rem}h2{font-size:1.15rem;margin-top:2rem;
border-bottom:1px solid #ddd;padding-bottom:.2rem}h3{font-size:1rem;margin:1.4rem 0 .3rem}
table{border-collapse:collapse;font-size:.92rem}th,td{text-align:left;vertical-align:top;
padding:.2rem 1.2rem .2rem 0;border-bottom:1px solid #eee;overflow-wrap:anywhere}
th{font-weight:600}img{max-width:100%;height:auto}figure{margin:1rem 0}
pre{font-size:.85rem;white-space:pre-wrap;background:#f6f6f6;padding:.6rem}
figcaption{font-size:.88rem;color:#555}
""".strip()
_DPI = 200


def page(title: str, sections: Iterable[tuple[str, str]]) -> str:
    """One HTML document.

    Args:
        title: plain text.
        sections: heading (plain text; empty for none) and body (HTML, of ``figure``, ``table``,
            ``paragraph`` and the like).
    """
    parts = [f"<h2>{escape(head)}</h2>\n{body}" if head else body for head, body in sections]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>{escape(title)}</h1>\n" + "\n".join(parts) + "\n</body>\n</html>\n"
    )


def paragraph(text: str) -> str:
    """Plain text as a paragraph."""
    return f"<p>{escape(text)}</p>"


def heading(text: str) -> str:
    """Plain text as a heading within a section."""
    return f"<h3>{escape(text)}</h3>"


def preformatted(text: str) -> str:
    """Plain text with its lines and spaces."""
    return f"<pre>{escape(text)}</pre>"


def items(lines: Iterable[str]) -> str:
    """Plain lines as a list."""
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in lines) + "</ul>"


def table(rows: Iterable[Sequence[object]], head: Sequence[object] = ()) -> str:
    """Plain values as a table; the first column names the row."""
    lines = ["<tr>" + "".join(f"<th>{escape(str(c))}</th>" for c in head) + "</tr>"] if head else []
    for name, *cells in rows:
        rest = "".join(f"<td>{escape(str(cell))}</td>" for cell in cells)
        lines.append(f'<tr><th scope="row">{escape(str(name))}</th>{rest}</tr>')
    return "<table>\n" + "\n".join(lines) + "\n</table>"


def figure(fig: Figure, caption: str = "") -> str:
    """A matplotlib figure as an inline PNG; the caption (plain text) also stands in for it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    fig.set_dpi(_DPI)
    canvas: Any = FigureCanvasAgg(fig)
    canvas.print_png(buffer)  # savefig would draw twice, once for the layout
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    text = escape(caption, quote=True)
    below = f"<figcaption>{text}</figcaption>" if caption else ""
    return f'<figure><img alt="{text}" src="data:image/png;base64,{data}">{below}</figure>'
