// The files of a commit as a plain folder, so that context can be gathered from them as from any folder. Source files
// only, without those that the user keeps out of prompts, bounded, made beneath a private temporary folder and removed
// with it.

import RepoContext

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#endif

/// Writes one commit at a time. Not Sendable: one worker owns it.
package final class CommitTreeExport {
    /// Files and bytes written of one commit at most; the rest is no context.
    static let maximumFileCount = 20_000
    static let maximumByteCount = 256 << 20

    private let repositoryFolder: String
    private let name: String
    private let scratchFolder: String
    private var withheld: WithheldFiles
    private var current: String?

    /// - Parameter repositoryFolder: the root of the work tree; its base name is the exported folder's.
    package init(repositoryFolder: String) throws {
        self.repositoryFolder = repositoryFolder
        withheld = WithheldFiles(workTree: repositoryFolder)
        name = repositoryFolder.split(separator: "/").last.map(String.init) ?? "root"
        let parent = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array((parent + "/foretoken-eval-XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil, let resolved = realpath(template, nil) else {
            throw EvaluationError(
                .data, "no temporary folder can be made in \(parent)",
                fix: "set TMPDIR to a folder you may write to")
        }
        defer { free(resolved) }
        scratchFolder = String(cString: resolved)
    }

    deinit {
        // Best effort: what stays is in the system's temporary folder.
        try? FileManager.default.removeItem(atPath: scratchFolder)
    }

    /// The folder that holds the commit's files; written unless it is the last one asked for.
    package func folder(ofCommit commit: String) throws -> String {
        let root = scratchFolder + "/" + name
        if current == commit { return root }
        current = nil
        if FileManager.default.fileExists(atPath: root) { try FileManager.default.removeItem(atPath: root) }
        try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: false)
        try write(commit, to: root)
        current = commit
        return root
    }

    private func write(_ commit: String, to root: String) throws {
        guard let repository = try GitRepository.discover(fromFolder: repositoryFolder),
            let id = GitObjectID(hexadecimal: commit)
        else {
            throw EvaluationError(.data, "\(repositoryFolder) is gone", fix: "start the evaluation again")
        }
        var files: [(path: RelativePath, id: GitObjectID)] = []
        let tree = try GitTree.open(commit: id, of: repository)
        withheld.follow(rulesOf: tree, of: repository)
        _ = tree.forEachFile(of: repository) { path, id in
            if SourceLanguage(path: path) != nil, !withheld.contains(path) {
                files.append((path, id))
            }
            return files.count < Self.maximumFileCount
        }
        var byteCount = 0
        var folders = Set<String>()
        for (path, id) in files {
            guard case .text(let text, _) = RepositoryCases.content(id, of: repository) else { continue }
            byteCount += text.count
            if byteCount > Self.maximumByteCount { return }
            let folder = String(path.folder)
            if !folder.isEmpty, folders.insert(folder).inserted {
                try FileManager.default.createDirectory(
                    atPath: root + "/" + folder, withIntermediateDirectories: true)
            }
            try Data(text).write(to: URL(filePath: root + "/" + path.string))
        }
    }
}
