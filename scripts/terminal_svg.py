#!/usr/bin/env python3
"""Draws what a terminal shows as SVG: reads the output of `tmux capture-pane -e -p` and writes a picture.

    terminal_svg.py COLUMNS ROWS TITLE [CURSOR_COLUMN CURSOR_ROW] <capture >picture.svg

Knows the SGR sequences that editors send (bold, italic, underline, reverse, 16, 256 and 24-bit colours), nothing else.
"""

import html
import re
import sys
import unicodedata

CELL_WIDTH, CELL_HEIGHT, SIZE, MARGIN, BAR = 8.43, 19, 14, 14, 30
FOREGROUND, BACKGROUND = "#d4d4d4", "#1c1f24"
BASE = ["#1c1f24", "#e06c75", "#98c379", "#d19a66", "#61afef", "#c678dd", "#56b6c2", "#abb2bf",
        "#6b7280", "#ef7a83", "#a9d68a", "#e5c07b", "#74bbfb", "#d68ceb", "#66cad5", "#ffffff"]


def palette(index):
    if index < 16:
        return BASE[index]
    if index < 232:
        index -= 16
        levels = [0, 95, 135, 175, 215, 255]
        return "#%02x%02x%02x" % (levels[index // 36], levels[index // 6 % 6], levels[index % 6])
    return "#%02x%02x%02x" % ((8 + 10 * (index - 232),) * 3)


class Style:
    def __init__(self):
        self.reset()

    def reset(self):
        self.fore = self.back = None
        self.bold = self.italic = self.underline = self.reverse = False

    def apply(self, codes):
        codes = list(codes)
        while codes:
            code = codes.pop(0)
            if code == 0:
                self.reset()
            elif code in (1, 22):
                self.bold = code == 1
            elif code in (3, 23):
                self.italic = code == 3
            elif code in (4, 24):
                self.underline = code == 4
            elif code in (7, 27):
                self.reverse = code == 7
            elif code in (38, 48):
                kind = codes.pop(0)
                colour = palette(codes.pop(0)) if kind == 5 else "#%02x%02x%02x" % tuple(codes.pop(0) for _ in range(3))
                self.set(code == 38, colour)
            elif 30 <= code <= 37 or 90 <= code <= 97:
                self.set(True, palette(code - 30 if code < 90 else code - 82))
            elif 40 <= code <= 47 or 100 <= code <= 107:
                self.set(False, palette(code - 40 if code < 100 else code - 92))
            elif code == 39:
                self.fore = None
            elif code == 49:
                self.back = None

    def set(self, is_foreground, colour):
        if is_foreground:
            self.fore = colour
        else:
            self.back = colour

    def key(self):
        fore, back = self.fore or FOREGROUND, self.back or BACKGROUND
        if self.reverse:
            fore, back = back, fore
        return fore, back, self.bold, self.italic, self.underline


def width(character):
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def runs(line, style):
    """(column, columns, style, text) of each stretch of one look."""
    column, result = 0, []
    for sequence, character in re.findall(r"\x1b\[([0-9;:]*)m|([^\x1b])", line):
        if not character:
            style.apply(int(code or 0) for code in re.split("[;:]", sequence))
            continue
        if not result or result[-1][2] != style.key():
            result.append([column, 0, style.key(), ""])
        result[-1][1] += width(character)
        result[-1][3] += character
        column += width(character)
    return result


def main():
    columns, rows, title = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    cursor = tuple(int(each) for each in sys.argv[4:6])
    total_width, total_height = columns * CELL_WIDTH + 2 * MARGIN, rows * CELL_HEIGHT + 2 * MARGIN + BAR
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total_width:.0f} {total_height:.0f}" '
          f'width="{total_width:.0f}" height="{total_height:.0f}" font-size="{SIZE}" '
          'font-family="DejaVu Sans Mono, Menlo, Consolas, monospace">')
    print(f"<title>{html.escape(title)}</title>")
    print(f'<rect width="100%" height="100%" rx="8" fill="{BACKGROUND}"/>')
    print(f'<text x="{total_width / 2:.0f}" y="21" fill="#8b929e" text-anchor="middle" font-size="13">'
          f"{html.escape(title)}</text>")
    style = Style()
    for row, line in enumerate(sys.stdin.read().split("\n")[:rows]):
        top = MARGIN + BAR + row * CELL_HEIGHT
        for column, count, (fore, back, bold, italic, underline), text in runs(line, style):
            left = MARGIN + column * CELL_WIDTH
            if back != BACKGROUND:
                print(f'<rect x="{left:.1f}" y="{top}" width="{count * CELL_WIDTH:.1f}" height="{CELL_HEIGHT}" '
                      f'fill="{back}"/>')
            if text.strip():
                extra = ' font-weight="bold"' * bold + ' font-style="italic"' * italic
                extra += ' text-decoration="underline"' * underline
                print(f'<text x="{left:.1f}" y="{top + 14}" fill="{fore}" xml:space="preserve" '
                      f'textLength="{count * CELL_WIDTH:.1f}"{extra}>{html.escape(text)}</text>')
        if cursor and cursor[1] == row:
            print(f'<rect x="{MARGIN + cursor[0] * CELL_WIDTH:.1f}" y="{top}" width="2" height="{CELL_HEIGHT}" '
                  f'fill="{FOREGROUND}"/>')
    print("</svg>")


if __name__ == "__main__":
    main()
