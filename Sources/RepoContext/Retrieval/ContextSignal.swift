// What makes a piece of another file worth showing, and how much: the one table of weights. docs/CONTEXT.md
// explains the score and says how the weights were found.

/// A reason for a candidate; each can be switched off.
package enum ContextSignal: String, Sendable, CaseIterable, Comparable {
    /// Named by an import of the current file, one by one or as a folder or module.
    case imports
    /// Defines a name that is used near the cursor.
    case definitions
    /// Committed together with the current file, or lately.
    case history
    /// Edited, looked at, open in the editor, or changed and not committed.
    case recent
    /// Uses the identifiers that stand near the cursor (BM25), and the same words in a row.
    case lexical
    /// In the same folder.
    case sameFolder = "same-folder"
    /// Its test, its implementation, its header.
    case sibling
    /// In a folder near by.
    case path

    package static func < (a: ContextSignal, b: ContextSignal) -> Bool { a.rawValue < b.rawValue }

    /// The names for a command line, in the order of the table.
    package static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }
}

/// The score table. A file's steady score is a sum over signals that do not move with the cursor; a snippet's score
/// adds what the cursor says.
package struct ContextWeights: Sendable, Equatable {
    // MARK: Of a file, steady

    package var importedFile = 6.0
    /// A member of a folder or module that is imported as a whole.
    package var importedFolderMember = 1.5
    package var sibling = 3.0
    /// Edited or looked at; the newest counts fully.
    package var recentFile = 2.0
    package var openFile = 1.5
    package var modifiedFile = 0.5
    /// All commits of the current file changed this one too.
    package var companion = 2.0
    package var recentCommit = 0.3
    package var sameFolder = 1.0
    /// All folders in common.
    package var path = 0.5
    /// In another language; taken off.
    package var otherLanguage = 2.0

    // MARK: Of a file, with the cursor

    /// The best file of the query by BM25.
    package var lexicalFile = 4.0
    /// One name in use that this file alone defines.
    package var definition = 1.5
    /// What `definition` adds at most.
    package var maximumDefinitions = 6.0

    // MARK: Of a snippet

    /// What a point of its file's score adds.
    package var snippetFile = 0.03
    /// All of the query's identifiers.
    package var snippetLexical = 4.0
    /// All of the pairs of words around the cursor that any candidate holds.
    package var snippetPairs = 4.0
    /// One name in use that it alone defines.
    package var snippetDefinition = 0.6
    /// What `snippetDefinition` adds at most.
    package var maximumSnippetDefinitions = 1.2
    /// Edited in this session.
    package var snippetEdited = 0.5

    package static let standard = ContextWeights()
}

/// A candidate file's score, by signal.
package struct ContextScore: Sendable, Equatable {
    /// Moves only when the snapshot, the imports or the user's trail change.
    package private(set) var steady = 0.0
    /// Moves with the cursor.
    package private(set) var cursor = 0.0
    /// What each signal added.
    package private(set) var parts: [ContextSignal: Double] = [:]
    /// Taken off for another language.
    package var penalty = 0.0

    package var total: Double { steady + cursor - penalty }
    /// The signals with a part, the weightiest first.
    package var signals: [ContextSignal] {
        parts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map(\.key)
    }

    mutating func add(_ signal: ContextSignal, _ points: Double) {
        guard points > 0 else { return }
        parts[signal, default: 0] += points
        steady += points
    }

    mutating func addCursor(_ signal: ContextSignal, _ points: Double) {
        guard points > 0 else { return }
        parts[signal, default: 0] += points
        cursor += points
    }
}
