// Where the draft of a model is: the file that was named, else the one beside the model whose name says so, such as
// coder-longspec-q4_0.gguf beside coder-q4_0.gguf.

import SpecEngine

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

enum DraftLocator {
    private static let mark = "-longspec"
    /// What drafts name as their architecture.
    static let architecture = "longspec"

    /// The draft beside the model at `path`, or nil. Where several fit, the first by name.
    static func draft(besideModel path: String) -> String? {
        let directory = path.contains("/") ? String(path[..<path.lastIndex(of: "/")!]) : "."
        let model = path.contains("/") ? String(path[path.index(after: path.lastIndex(of: "/")!)...]) : path
        // A directory that cannot be read holds no draft.
        let names = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
        return names.sorted().first { name in
            guard name.hasSuffix(".gguf"), let range = name.firstRange(of: mark) else { return false }
            return model.hasPrefix(name[..<range.lowerBound] + "-")
        }.map { directory + "/" + $0 }
    }
}

extension SpeculationOptions {
    /// The same with the draft's place filled in. Without a draft, `auto` does with the other sources.
    func locatingDraft(forModel path: String) throws(EngineError) -> SpeculationOptions {
        guard mode == .auto || mode == .longspec, draftPath == nil else { return self }
        var located = self
        located.draftPath = DraftLocator.draft(besideModel: path)
        if located.draftPath == nil && mode == .longspec { throw .noDraft(modelPath: path) }
        return located
    }
}
