// What stood in the last prompts of the files that the user works in, so that the next prompt can keep it.

/// The last selection per file.
struct LayoutHistory {
    /// Files remembered: those that a user goes back and forth between.
    static let maximumCount = 8

    private var entries: [(path: RelativePath, files: [SelectedFile])] = []

    /// What was shown with a file; empty when that is not known.
    func shown(with path: RelativePath) -> [SelectedFile] { entries.first { $0.path == path }?.files ?? [] }

    /// Remembers a selection.
    mutating func note(_ files: [SelectedFile], with path: RelativePath) {
        entries.removeAll { $0.path == path }
        entries.append((path, files))
        if entries.count > LayoutHistory.maximumCount { entries.removeFirst() }
    }
}
