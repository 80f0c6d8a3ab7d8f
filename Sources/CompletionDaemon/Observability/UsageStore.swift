// Keeps the usage counts of all this user's daemons in one file under the XDG state directory. Each daemon adds what
// it counted since it last wrote, under a lock, into a new file that replaces the old one: a crash at any moment
// loses at most what was not yet added.

import FoundationEssentials
import Glibc
import RepoContext
import SpecEngine
import Synchronization

/// Where the counts are and how they get there. Any thread; methods block on the disk and, shortly, on other daemons.
struct UsageStore: Sendable {
    /// A larger file was not written by this program.
    static let maximumFileByteCount = 16 << 20

    /// Damaged files that are kept; a further one takes the place of the last.
    static let maximumDamagedCount = 8

    /// Why counts cannot be read or written.
    struct Failure: Error, CustomStringConvertible {
        let path: String
        /// Of errno; nil where a newer version of this program wrote the file.
        let code: Int32?

        var description: String {
            guard let code else { return "\(path) is of a newer version of foretoken" }
            return "cannot use \(path) (\(String(cString: strerror(code))))"
        }
        var fix: String {
            code == nil
                ? "use that version, or forget the counts with foretoken stats --clear"
                : "check its permissions, or set XDG_STATE_HOME to a folder that is writable"
        }
    }

    /// All that is read of a file before its format is known.
    private struct Version: Decodable {
        let schema: Int
    }

    /// The folder that holds `usage.json`.
    let folder: String
    /// How long another daemon may hold the lock; it takes milliseconds, unless it was stopped in between.
    var lockTimeout = Duration.seconds(2)

    /// `$XDG_STATE_HOME/foretoken`, by default under `~/.local/state`; nil without a home.
    static func inStateDirectory() -> UsageStore? {
        UserDirectories.state.map { UsageStore(folder: $0) }
    }

    private var path: String { folder + "/usage.json" }
    /// What was found in place of the counts and could not be understood.
    private var damagedPaths: [String] {
        (1...Self.maximumDamagedCount).map { path + ($0 == 1 ? ".damaged" : ".damaged.\($0)") }
    }

    /// All counts; empty where there are none, or where the file holds something else.
    func read() throws(Failure) -> UsageHistory { try find() ?? UsageHistory() }

    /// Nil where something is there that holds no counts.
    private func find() throws(Failure) -> UsageHistory? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else {
            if errno == ENOENT { return UsageHistory() }
            throw Failure(path: path, code: errno)
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw Failure(path: path, code: errno) }
        guard status.st_mode & S_IFMT == S_IFREG, status.st_size <= Self.maximumFileByteCount else { return nil }
        let data = Data(try bytes(of: descriptor, count: Int(status.st_size)))
        // A newer version's counts are neither understood nor replaced.
        if let version = try? JSONDecoder().decode(Version.self, from: data),
            version.schema > UsageHistory.currentSchema
        {
            throw Failure(path: path, code: nil)
        }
        let history = try? JSONDecoder().decode(UsageHistory.self, from: data)
        return history?.schema == UsageHistory.currentSchema ? history : nil
    }

    /// A disk that fails is no empty file.
    private func bytes(of descriptor: Int32, count: Int) throws(Failure) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var done = 0
        while done < count {
            let more = bytes.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress.map { $0 + done }, count - done)
            }
            if more < 0, errno == EINTR { continue }
            guard more >= 0 else { throw Failure(path: path, code: errno) }
            if more == 0 { break }
            done += more
        }
        return Array(bytes[..<done])
    }

    /// Adds counts to those on disk. What is there and holds none is put aside, so that nothing is lost.
    func add(_ fresh: UsageHistory) throws(Failure) {
        try withLock { () throws(Failure) in
            let found = try find()
            if found == nil, rename(path, freeDamagedPath) != 0 { throw Failure(path: path, code: errno) }
            var history = found ?? UsageHistory()
            history.add(fresh)
            try replace(with: history)
        }
    }

    /// Where a damaged file goes without taking another's place, while there is room.
    private var freeDamagedPath: String {
        let paths = damagedPaths
        let free = paths.first { path in
            var status = stat()
            return lstat(path, &status) != 0
        }
        return free ?? paths[paths.count - 1]
    }

    /// Forgets everything.
    func clear() throws(Failure) {
        guard access(folder, F_OK) == 0 else { return }
        try withLock { () throws(Failure) in
            for path in [path] + damagedPaths {
                guard unlink(path) == 0 || errno == ENOENT else { throw Failure(path: path, code: errno) }
            }
        }
    }

    private func withLock(_ body: () throws(Failure) -> Void) throws(Failure) {
        try makeFolder()
        let lockPath = folder + "/usage.lock"
        let end = ContinuousClock.now + lockTimeout
        while true {
            if let lock = try takeLock(lockPath) {
                defer { withExtendedLifetime(lock) {} }
                return try body()
            }
            guard ContinuousClock.now < end else { throw Failure(path: lockPath, code: EWOULDBLOCK) }
            poll(nil, 0, 10)
        }
    }

    private func takeLock(_ path: String) throws(Failure) -> FileLock? {
        do {
            return try FileLock.take(file: path)
        } catch {
            throw Failure(path: path, code: error.code)
        }
    }

    private func makeFolder() throws(Failure) {
        var path = ""
        for part in folder.split(separator: "/") {
            path += "/" + part
            guard mkdir(path, 0o700) == 0 || errno == EEXIST || access(path, X_OK) == 0 else {
                throw Failure(path: path, code: errno)
            }
        }
    }

    private func replace(with history: UsageHistory) throws(Failure) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        // Integers and strings always encode.
        guard let data = try? encoder.encode(history) else { return }
        do {
            try AtomicFile.write(path, bytes: Array(data))
        } catch {
            throw Failure(path: error.path, code: error.code)
        }
    }
}

/// Counts in memory and hands them to the store now and then, on a thread of its own. Any thread.
final class UsageRecorder: Sendable {
    /// A daemon that is killed loses at most what it counted in this time.
    static let writeInterval = Duration.seconds(60)
    /// How long the end waits for counts that are being written: as long as those wait for another daemon.
    static let endTimeout = Duration.seconds(2)

    private struct State {
        var fresh = UsageHistory()
        var isEnded = false
        /// Counts that a thread has taken and not yet brought to the disk.
        var writingCount = 0
        var isEnabled = true
    }

    private let store: UsageStore
    private let state = Monitor(State())
    private let today: @Sendable () -> String

    /// - Parameter today: the current day as `YYYY-MM-DD`.
    init(store: UsageStore, today: @escaping @Sendable () -> String = UsageRecorder.localDay) {
        self.store = store
        self.today = today
    }

    /// Begins to write. What cannot be written is tried again with what comes after it; counts are worth no message to
    /// the user.
    func start() {
        _ = BlockingThread.start(name: "usage") { [self] in
            while true {
                let isEnded = state.wait(timeout: Self.writeInterval) { $0.isEnded ? true : nil } ?? false
                if isEnded { return }
                write()
            }
        }
    }

    /// Counts from here on, or no longer.
    func setEnabled(_ isEnabled: Bool) {
        state.withLock {
            $0.isEnabled = isEnabled
            if !isEnabled { $0.fresh = UsageHistory() }
        }
    }

    func note(_ event: UsageEvent) {
        let languageID =
            switch event {
            case .shown(let id, _), .accepted(let id, _), .partiallyAccepted(let id, _), .kept(let id, _): id
            }
        change(languageID) { $0.note(event) }
    }

    func noteAnswer(languageID: String, isEmpty: Bool, latency: Duration) {
        change(languageID) { counts in
            if isEmpty { counts.empty += 1 } else { counts.answered += 1 }
            counts.latency.add(latency)
        }
    }

    /// Writes the last counts, after those that are being written. Blocks.
    func end() {
        state.withLock { $0.isEnded = true }
        _ = state.wait(timeout: Self.endTimeout) { $0.writingCount == 0 ? true : nil }
        write()
    }

    var isEnded: Bool { state.withLock { $0.isEnded } }
    var isWriting: Bool { state.withLock { $0.writingCount > 0 } }

    private func change(_ languageID: String, _ change: (inout UsageCounts) -> Void) {
        // A client's word, kept short: it becomes a key in a file.
        let name = String(languageID.unicodeScalars.prefix(32))
        let day = today()
        state.withLock { state in
            guard state.isEnabled else { return }
            state.fresh.change(day: day, languageID: name, change)
        }
    }

    /// Blocks on the disk.
    func write() {
        let fresh = state.withLock { state in
            let fresh = state.fresh
            state.fresh = UsageHistory()
            if !fresh.days.isEmpty { state.writingCount += 1 }
            return fresh
        }
        guard !fresh.days.isEmpty else { return }
        defer { state.withLock { $0.writingCount -= 1 } }
        do {
            try store.add(fresh)
        } catch {
            state.withLock { state in
                // Bounded as the history on the disk is.
                if state.isEnabled { state.fresh.add(fresh) }
            }
        }
    }

    /// Today in the user's time zone.
    static func localDay() -> String {
        var now = time(nil)
        var parts = tm()
        localtime_r(&now, &parts)
        func padded(_ number: Int32, _ width: Int) -> String {
            let digits = "\(number)"
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        return "\(padded(parts.tm_year + 1900, 4))-\(padded(parts.tm_mon + 1, 2))-\(padded(parts.tm_mday, 2))"
    }
}
