// Which files take no part in an evaluation, neither as cases nor as context: those with a secret's name, those that
// today's `.foretokenignore` in the work tree names, and those that a commit's own copy named. What one of them keeps
// out stays out, so a rule that was taken back later does not open what it closed at the time.

import RepoContext

/// The rules of a work tree and of the commit that is read at present.
struct WithheldFiles {
    private let rootPath: String
    private let workTreeRules: IgnoreRules
    private var workTreeListing: IgnoreListing
    private var commitRules = IgnoreRules()
    private var commitListing = IgnoreListing(IgnoreRules())
    /// The blob that `commitRules` were read from: most commits have the one before's.
    private var commitRulesID: GitObjectID?
    /// Why the work tree's rules withheld files that they do not name; nil when they could be followed.
    private(set) var rulesProblem: String?

    /// - Parameter workTree: the root of the work tree.
    init(workTree: String) {
        rootPath = workTree
        workTreeRules = .inFolder(workTree)
        workTreeListing = IgnoreListing(workTreeRules)
        rulesProblem = workTreeRules.degradation(rootPath: workTree)
    }

    /// From now on the rules of this tree hold beside the work tree's.
    mutating func follow(rulesOf tree: borrowing GitTree, of repository: borrowing GitRepository) {
        readRules(of: tree, of: repository)
        // Matching is bounded for each tree.
        workTreeListing = IgnoreListing(workTreeRules)
        commitListing = IgnoreListing(commitRules)
    }

    private mutating func readRules(of tree: borrowing GitTree, of repository: borrowing GitRepository) {
        let id = tree.blobID(ofFileNamed: IgnoreRules.fileName)
        if id == nil, tree.hasEntry(named: IgnoreRules.fileName) {
            // A link or a folder: what it would have said is not known.
            commitRulesID = nil
            commitRules = IgnoreRules(.notRegular)
            return
        }
        guard id == nil || id != commitRulesID else { return }
        commitRulesID = id
        commitRules = id.map { Self.rules($0, of: repository) } ?? IgnoreRules()
    }

    private static func rules(_ id: GitObjectID, of repository: borrowing GitRepository) -> IgnoreRules {
        guard let blob = try? GitBlob.open(id, of: repository),
            let bytes = blob.bytes(maximumByteCount: IgnoreRules.maximumByteCount)
        else {
            // Rules that cannot be read may name any file.
            return IgnoreRules(.unreadable)
        }
        return IgnoreRules(bytes)
    }

    /// Whether `.foretokenignore` names the file.
    mutating func isIgnored(_ path: RelativePath) -> Bool {
        let isIgnored = workTreeListing.ignores(path)
        if rulesProblem == nil { rulesProblem = workTreeListing.degradation(rootPath: rootPath) }
        return isIgnored || commitListing.ignores(path)
    }

    /// Whether the file is withheld, for its name or by a rule.
    mutating func contains(_ path: RelativePath) -> Bool { SecretPolicy.isDenied(path: path) || isIgnored(path) }
}
