// One listing's questions of one `.foretokenignore`: each folder is matched once, and all matching together is bounded.
// Folders with rules of their own are FolderRules' business.

/// Asks the rules about many paths. A value, used by one thread.
package struct IgnoreListing {
    private let rules: IgnoreRules
    private var allowance: MatchAllowance
    private var folders: [[UInt8]: Bool] = [:]

    package init(_ rules: IgnoreRules) { self.init(rules, allowance: MatchAllowance()) }

    init(_ rules: IgnoreRules, allowance: MatchAllowance) {
        self.rules = rules
        self.allowance = allowance
    }

    /// Whether the file or a folder above it is ignored, or cannot be told any more. As in git, nothing brings back a
    /// file of an ignored folder.
    package mutating func ignores(_ path: RelativePath) -> Bool {
        guard !rules.isEmpty else { return false }
        guard !allowance.isUsedUp else { return true }
        let bytes = Array(path.string.utf8)
        for end in bytes.indices where bytes[end] == UInt8(ascii: "/") {
            if isFolderIgnored(bytes[..<end]) { return true }
        }
        return rules.verdict(on: bytes[...], isFolder: false, &allowance) ?? false
    }

    private mutating func isFolderIgnored(_ path: ArraySlice<UInt8>) -> Bool {
        let folder = Array(path)
        if let known = folders[folder] { return known }
        let result = rules.verdict(on: path, isFolder: true, &allowance) ?? false
        folders[folder] = result
        return result
    }

    /// The line that says that the `.foretokenignore` of a root was not followed; nil where it was.
    package func degradation(rootPath: String) -> String? {
        if let line = rules.degradation(rootPath: rootPath) { return line }
        return allowance.defect?.line(
            file: rootPath + "/" + IgnoreRules.fileName, leavesOut: "every file left undecided")
    }
}
