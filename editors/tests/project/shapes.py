"""Shapes of the drawing board."""


class Rectangle:
    def __init__(self, left, top, width, height):
        self.left = left
        self.top = top
        self.width = width
        self.height = height

    def label(self):
        return f"{self.width} x {self.height} at {self.left}, {self.top}"


def intersect_rectangles(first, second):
    """The rectangle that both cover, or None."""
    left = max(first.left, second.left)
    top = max(first.top, second.top)
    right = min(first.left + first.width, second.left + second.width)
    bottom = min(first.top + first.height, second.top + second.height)
    if right <= left or bottom <= top:
        return None
    return Rectangle(left, top, right - left, bottom - top)


def union_rectangles(first, second):
    """The smallest rectangle around both."""
