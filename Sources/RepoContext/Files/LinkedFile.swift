// Reads one file wherever links lead: the one exception to what RootDirectory is for.

import Glibc

extension RootDirectory {
    /// The bytes of a regular file that links may lead to: for the user's own files, and where the place that a link
    /// leads to was checked.
    static func bytes(following path: String, maximumByteCount: Int) -> Result<[UInt8], FileSkip> {
        guard let real = RepositoryLocator.realPath(path) else {
            // A place that is there, but whose name is no text, leaves no error.
            let isThere = GitFileCheck.exists(path)
            return .failure(FileSkip(!isThere && isMissing(errno) ? .missing : .unreadable))
        }
        guard let folder = open(PathIndex.parent(real)), let name = RelativePath(PathIndex.lastComponent(real))
        else { return .failure(FileSkip(.unreadable)) }
        return folder.bytes(of: name, maximumByteCount: maximumByteCount)
    }
}
