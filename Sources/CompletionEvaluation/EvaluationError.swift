// What can go wrong in an evaluation as a whole, each with what to do about it. A single case that fails is a record
// in the journal, not an error.

/// An error that ends a command.
package struct EvaluationError: Error, Sendable, CustomStringConvertible {
    package enum Kind: Sendable, Equatable {
        /// The request makes no sense as it is written.
        case usage
        /// Something could not be read or written, or gave nothing to evaluate.
        case data
        /// A result that must not be: speculation changed a text, an engine got another prompt.
        case broken
        /// An engine behind a URL cannot answer now.
        case endpoint
        /// An engine behind a URL refuses what it is asked, and would again.
        case refusal
    }

    package let kind: Kind
    package let message: String
    package let fix: String

    package init(_ kind: Kind, _ message: String, fix: String) {
        self.kind = kind
        self.message = message
        self.fix = fix
    }

    package var description: String { "\(message); \(fix)" }
}
