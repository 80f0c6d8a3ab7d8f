// Which files changed recently, and which change together with a given one: the last commits of HEAD, read
// once per HEAD. A commit that touches many files (a rename, a formatter) says nothing and is passed over.

/// The files of the last commits.
package struct ChangeHistory: Sendable, Equatable {
    /// Commits read: two to three months of a busy project, about 60 ms.
    package static let maximumCommitCount = 200
    /// Commits with more files are passed over.
    static let maximumCommitFileCount = 40

    /// HEAD when it was read.
    package var head: GitObjectID?
    /// Changed files per commit, newest first.
    package private(set) var commits: [[RelativePath]] = []
    /// The newest of `commits` that a file is in.
    private var newestCommitIndex: [RelativePath: Int] = [:]

    package init(head: GitObjectID?) { self.head = head }

    /// A history that was read before.
    init(head: GitObjectID?, commits: [[RelativePath]]) {
        self.head = head
        self.commits = commits
        isComplete = true
        for (place, paths) in commits.enumerated() {
            for path in paths where newestCommitIndex[path] == nil { newestCommitIndex[path] = place }
        }
    }

    /// 1 for a file changed in the newest commit, falling to 0 at the last one read; 0 for others.
    func recency(of path: RelativePath) -> Double {
        guard let place = newestCommitIndex[path] else { return 0 }
        return 1 - Double(place) / Double(ChangeHistory.maximumCommitCount)
    }

    /// Files changed in the same commits as `path`, with the share of its commits that they are in. Files met
    /// in a single common commit count half: that is often chance.
    func companions(of path: RelativePath) -> [RelativePath: Double] {
        let common = commits.filter { $0.contains(path) }
        guard !common.isEmpty else { return [:] }
        var counts: [RelativePath: Int] = [:]
        for commit in common { for other in commit where other != path { counts[other, default: 0] += 1 } }
        return counts.mapValues { count in (count == 1 ? 0.5 : Double(count)) / Double(common.count) }
    }

    /// Files of the newest commits, newest first, each once.
    func recentPaths(maximumCount: Int) -> [RelativePath] {
        var seen = Set<RelativePath>()
        var paths: [RelativePath] = []
        for commit in commits {
            for path in commit where seen.insert(path).inserted {
                paths.append(path)
                if paths.count == maximumCount { return paths }
            }
        }
        return paths
    }

    /// Commits looked at, of any kind; where the next call goes on.
    private var visitedCount = 0
    /// True when nothing more is to be read.
    package private(set) var isComplete = false

    /// A history with nothing in it and nothing to read.
    static func empty(head: GitObjectID?) -> ChangeHistory {
        var history = ChangeHistory(head: head)
        history.isComplete = true
        return history
    }

    /// Reads on until the bound or until `isTimeOver`; always at least one commit.
    ///
    /// - Returns: a line when the history ends early for another reason than a shallow clone.
    mutating func readOn(of repository: borrowing GitRepository, isTimeOver: () -> Bool) -> String? {
        guard let head, !isComplete else {
            isComplete = true
            return nil
        }
        if repository.isShallow {
            readFirstParents(from: head, of: repository)
            isComplete = true
            return nil
        }
        do throws(GitError) {
            var walk = try GitRevisionWalk.open(from: head, of: repository)
            // A walk cannot be kept between calls; passing over commits again costs some 20 microseconds
            // each.
            for _ in 0..<visitedCount { _ = try walk.next() }
            repeat {
                guard visitedCount < ChangeHistory.maximumCommitCount, let id = try walk.next() else {
                    isComplete = true
                    return nil
                }
                visitedCount += 1
                try add(id, of: repository)
            } while !isTimeOver()
            return nil
        } catch {
            isComplete = true
            return "history cannot be read further (\(error)); recent changes count less"
        }
    }

    private mutating func add(_ id: GitObjectID, of repository: borrowing GitRepository) throws(GitError) {
        let commit = try GitCommit.open(id, of: repository)
        let maximumCount = ChangeHistory.maximumCommitFileCount
        if let paths = try GitTree.changedPaths(commit: commit, of: repository, maximumCount: maximumCount) {
            for path in paths where newestCommitIndex[path] == nil { newestCommitIndex[path] = commits.count }
            commits.append(paths)
        }
    }

    /// The part of a shallow clone's history that exists. libgit2's walk fails there for want of the parents;
    /// shallow means short, so it is read in one go.
    private mutating func readFirstParents(from head: GitObjectID, of repository: borrowing GitRepository) {
        var next: GitObjectID? = head
        var count = 0
        while let id = next, count < ChangeHistory.maximumCommitCount {
            next = nil
            do throws(GitError) {
                let commit = try GitCommit.open(id, of: repository)
                next = commit.firstParentID
                try add(id, of: repository)
            } catch {
                return  // the edge of the shallow clone
            }
            count += 1
        }
    }
}
