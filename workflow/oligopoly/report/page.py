"""Pieces of HTML: a page, sections, tables, figures. Everything stays within the one file."""

from html import escape
from typing import NamedTuple

from oligopoly.plotting import style
from oligopoly.plotting.numbers import quantity
from oligopoly.plotting.shown import Picture, Shown, Table

CSS = """
:root { --ink: #1b1b1b; --soft: #626262; --line: #d9d9d9; --good: #00734f; --bad: #b3400a; }
* { box-sizing: border-box; }
body { font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
  color: var(--ink); background: #fff; margin: 0 auto; padding: 2.5rem 1.5rem 5rem; max-width: 60rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; letter-spacing: -.01em; }
h2 { font-size: 1.3rem; margin: 3rem 0 .6rem; padding-top: .8rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.6rem 0 .3rem; }
p { margin: .5rem 0; max-width: 46rem; }
.soft, figcaption { color: var(--soft); }
figure { margin: 1.1rem 0; overflow-x: auto; }
figure img { max-width: 100%; height: auto; display: block; }
figcaption { font-size: .87rem; margin-top: .4rem; max-width: 46rem; }
.scroll { overflow-x: auto; margin: .8rem 0; }
table { border-collapse: collapse; font-size: .87rem; }
.caption { color: var(--soft); font-size: .87rem; margin: 1.2rem 0 .2rem; }
th { text-align: left; font-weight: 600; border-bottom: 1.5px solid var(--ink); }
th, td { padding: .28rem .9rem .28rem 0; vertical-align: top; }
td { border-bottom: 1px solid var(--line); }
th.n, td.n { text-align: right; font-variant-numeric: tabular-nums; }
td.n { white-space: nowrap; } th { vertical-align: bottom; } th.n { max-width: 8.5rem; }
.good, .bad, .unknown { white-space: nowrap; } .unknown { color: var(--soft); }
.good { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
.verdict { border-left: 5px solid var(--line); padding: .3rem 0 .3rem 1.1rem; margin: 1.5rem 0; }
.verdict.good-side { border-color: var(--good); } .verdict.bad-side { border-color: var(--bad); }
.verdict strong { font-size: 1.15rem; } .verdict ul { margin: .4rem 0; padding-left: 1.1rem; }
nav { font-size: .87rem; margin: 1rem 0; } nav a { margin-right: 1rem; color: #0072B2; }
pre, code { font: .82rem/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { background: #f6f6f6; padding: .8rem 1rem; overflow-x: auto; }
code { overflow-wrap: anywhere; }
summary { cursor: pointer; color: #0072B2; }
@media print { nav { display: none; } h2 { break-after: avoid; } figure { break-inside: avoid; } }
"""


class Html(str):
    """Text that is HTML already and must not be escaped again."""


def text(value) -> str:
    """A value as HTML. A number and its percent sign stay on one line."""
    return value if isinstance(value, Html) else escape(str(value)).replace(" %", "\u00a0%")


def paragraph(*sentences, kind: str = "") -> Html:
    """Sentences as a paragraph; empty ones are left out."""
    body = " ".join(text(s) for s in sentences if s)
    return Html(f'<p class="{kind}">{body}</p>' if kind else f"<p>{body}</p>") if body else Html()


def missing(sentence: str) -> Html:
    """What stands in the place of something that is not there."""
    return paragraph(sentence, kind="soft")


def figure(uri: str, caption: str, alt: str) -> Html:
    """An embedded figure."""
    return Html(f'<figure><img src="{uri}" alt="{escape(alt)}"><figcaption>{text(caption)}</figcaption></figure>')


def table(header, rows, numbers=(), caption: str = "") -> Html:
    """A table; `numbers` are the indices of the columns set flush right."""

    def cells(values, tag):
        kinds = (' class="n"' if k in numbers else "" for k in range(len(values)))
        return "".join(f"<{tag}{k}>{text(v)}</{tag}>" for v, k in zip(values, kinds, strict=True))

    unbroken = [Html(text(name).replace("/", "/&#8288;")) for name in header]  # units stay in one piece
    head = f"<thead><tr>{cells(unbroken, 'th')}</tr></thead>"
    body = "".join(f"<tr>{cells(list(row), 'td')}</tr>" for row in rows)
    title = f'<p class="caption">{text(caption)}</p>' if caption else ""
    return Html(f'<div class="scroll">{title}<table>{head}<tbody>{body}</tbody></table></div>')


def mark(passed: bool | None) -> Html:
    """Whether something held, in a word and a colour."""
    if passed is None:
        return Html('<span class="unknown">not known</span>')
    return Html('<span class="good">passes</span>' if passed else '<span class="bad">fails</span>')


def details(summary: str, body: str) -> Html:
    """Something to unfold."""
    return Html(f"<details><summary>{text(summary)}</summary>{body}</details>")


def show(made, caption: str, alt: str) -> Html:
    """A matplotlib figure, embedded."""
    return figure(style.data_uri(made), caption, alt)


def shown(one: Shown) -> Html:
    """What a property shows."""
    if isinstance(one, Picture):
        return show(one.figure, one.caption, one.alt)
    if isinstance(one, Table):
        return table(one.header, one.rows, one.numbers, one.caption)
    return missing(one.text) if one.soft else paragraph(one.text)


def number(value) -> str:
    """A number for a cell; empty where there is none."""
    return "" if value is None else quantity(value)


class Section(NamedTuple):
    """A part of the page."""

    identifier: str
    title: str
    body: Html


def section(identifier: str, title: str, *parts: str) -> Section:
    """A section of HTML parts; empty ones are left out."""
    body = "\n".join(part for part in parts if part)
    return Section(identifier, title, Html(f'<section id="{identifier}"><h2>{text(title)}</h2>{body}</section>'))


def page(title: str, opening: str, sections: list[Section]) -> str:
    """The whole page."""
    links = "".join(f'<a href="#{i}">{text(t)}</a>' for i, t, _ in sections)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{text(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{CSS}</style></head>'
        f"<body>{opening}<nav>{links}</nav>{''.join(body for *_, body in sections)}</body></html>\n"
    )
