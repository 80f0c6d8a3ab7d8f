// The identity of a vocabulary entry. Not an Int: token ids, positions and counts must not mix.

/// An index into the model's vocabulary.
package struct TokenID: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let rawValue: Int32

    package init(_ rawValue: Int32) {
        self.rawValue = rawValue
    }

    package static func < (a: TokenID, b: TokenID) -> Bool { a.rawValue < b.rawValue }

    package var description: String { "\(rawValue)" }
}
