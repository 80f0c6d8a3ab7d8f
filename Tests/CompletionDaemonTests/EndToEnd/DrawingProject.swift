// The repository of the end-to-end tests: a module that defines a function, and a file that is about to call it.
// The name cannot be guessed from the calling file alone.

import TestSupport

/// Made anew by each test, in a temporary folder.
struct DrawingProject {
    let repository: RepositoryFixture

    /// Where the cursor is: at the end of the unfinished line.
    static let file = "report.py"
    static let line = 7
    static let column = 31

    static let caller = """
        import shapes


        def overlap_report(first, second):
            \"""Describe the part that two rectangles share.\"""
            print(first.label(), second.label())
            shared = shapes.intersect_
            print(shared.label())
            return shared

        """

    private static let shapes = """
        \"""Shapes of the drawing board.\"""


        class Rectangle:
            def __init__(self, left, top, width, height):
                self.left = left
                self.top = top
                self.width = width
                self.height = height

            def label(self):
                return f"{self.width} x {self.height} at {self.left}, {self.top}"


        def intersect_rectangles(first, second):
            \"""The rectangle that both cover, or None.\"""
            left = max(first.left, second.left)
            top = max(first.top, second.top)
            right = min(first.left + first.width, second.left + second.width)
            bottom = min(first.top + first.height, second.top + second.height)
            if right <= left or bottom <= top:
                return None
            return Rectangle(left, top, right - left, bottom - top)

        """

    init(withShapes: Bool = true) throws {
        repository = try RepositoryFixture(name: "drawing")
        if withShapes { try repository.write("shapes.py", Self.shapes) }
        try repository.write(Self.file, Self.caller)
        _ = try repository.commit("Draw")
    }

    var filePath: String { repository.absolute(Self.file) }
    var rootURI: String { "file://" + repository.path }
}
