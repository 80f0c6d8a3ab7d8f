"""What is printed about a drawing."""

import shapes


def overlap_report(first, second):
    """Describe the part that two rectangles share."""
    print(first.label(), second.label())
    shared = shapes.intersect_rectangles(first, second)
    if shared is None:
        print("nothing in common")
        return None
    print(shared.label())
    return shared


def widest_overlap(first, second):
    """The width of the part that two rectangles share."""
    return shared.width
