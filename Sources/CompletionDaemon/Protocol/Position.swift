// Positions as the wire has them (LSP 3.18 "Position", "Range"): a line and a count of code units in the
// negotiated encoding. Nothing beyond Protocol, Documents and Server sees one; inside, places are byte
// offsets.

/// A place in a document. Values out of range are legal on the wire and are clamped by the line table.
struct Position: Hashable, Sendable, Codable {
    var line: Int
    /// Code units of the negotiated encoding from the start of the line.
    var character: Int
}

/// From `start` up to and without `end`. Named apart from the standard library's Range.
struct PositionRange: Hashable, Sendable, Codable {
    var start: Position
    var end: Position
}
