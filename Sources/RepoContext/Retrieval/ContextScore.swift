// The score of a candidate file: one table of weights, and which of them depend on the cursor. Weights are
// hand-set in the order of what each signal says about the next line; measuring them is later work.

/// Why a file is a candidate. A file may have several reasons; their weights add up.
package enum ContextSignal: String, Sendable, CaseIterable {
    /// Named by an import of the current file.
    case importedFile
    /// In a folder or module that the current file imports as a whole.
    case importedFolder
    /// Its test, its implementation, its header.
    case sibling
    /// In the caller's list of recent files; the newest counts fully.
    case recent
    /// Open in the editor.
    case open
    /// Changed in the work tree and not committed.
    case modified
    /// Committed together with the current file.
    case companion
    /// In one of the last commits.
    case recentCommit
    /// In the same folder.
    case sameFolder
    /// In another language; a score like the others, but negative.
    case otherLanguage
    /// Defines a name used near the cursor: the only signal that moves with the cursor.
    case definesUsedName

    /// The score table. A definition in use outweighs all but an import, because without an import it may be
    /// another thing of the same name; a same-folder file alone just passes `ContextScore.minimum`.
    package var weight: Double {
        switch self {
        case .importedFile: 8
        case .importedFolder: 2
        case .sibling: 3
        case .recent: 2
        case .open: 1.5
        case .modified: 1
        case .companion: 2
        case .recentCommit: 0.5
        case .sameFolder: 1
        case .otherLanguage: -1.5
        case .definesUsedName: 1.5
        }
    }
}

/// One candidate's score.
package struct ContextScore: Sendable, Equatable {
    /// Candidates below are left out.
    static let minimum = 1.0
    /// What `definesUsedName` adds at most: many names of one file near the cursor count as four.
    static let maximumCursorScore = 6.0

    /// Moves only when the snapshot, the imports or the user's trail change.
    package private(set) var steady = 0.0
    /// Moves with the cursor.
    package private(set) var cursor = 0.0
    package private(set) var signals: [ContextSignal] = []
    /// Names used near the cursor that this file defines.
    package private(set) var usedNames: [UsedName] = []

    package var total: Double { steady + cursor }

    mutating func add(_ signal: ContextSignal, strength: Double = 1) {
        guard strength > 0 else { return }
        if !signals.contains(signal) { signals.append(signal) }
        steady += signal.weight * strength
    }

    /// - Parameter definerCount: files that define the name; each gets its part of the weight.
    mutating func add(usedName: UsedName, definerCount: Int) {
        if !signals.contains(.definesUsedName) { signals.append(.definesUsedName) }
        usedNames.append(usedName)
        let added = ContextSignal.definesUsedName.weight * usedName.strength / Double(definerCount)
        cursor = min(ContextScore.maximumCursorScore, cursor + added)
    }

    /// `steady` on a coarse grid, so that a small change of one signal does not reorder the prompt.
    var tier: Int { Int((steady * 2).rounded(.down)) }
}
