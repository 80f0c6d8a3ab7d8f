// The counts add up, survive damage and other daemons, and hold nothing but numbers.

import FoundationEssentials
import Glibc
import Testing

@testable import CompletionDaemon

struct UsageTests {
    private func withStore(_ body: (UsageStore) throws -> Void) throws {
        var template = Array("/tmp/usage-test-XXXXXX".utf8CString)
        let folder = try #require(mkdtemp(&template).map { String(cString: $0) })
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try body(UsageStore(folder: folder + "/state/foretoken"))
    }

    private func history(day: String, accepted: Int) -> UsageHistory {
        var history = UsageHistory()
        history.change(day: day, languageID: "swift") {
            $0.accepted = accepted
            $0.latency.add(.milliseconds(20))
        }
        return history
    }

    @Test("Two daemons' counts add up, in a file for its owner's eyes only")
    func adds() throws {
        try withStore { store in
            try store.add(history(day: "2026-01-01", accepted: 2))
            try store.add(history(day: "2026-01-01", accepted: 3))
            try store.add(history(day: "2026-01-02", accepted: 1))
            let read = try store.read()
            #expect(read.days["2026-01-01"]?["swift"]?.accepted == 5)
            #expect(read.days["2026-01-01"]?["swift"]?.latency.total == 2)
            #expect(read.days.count == 2)
            var status = stat()
            #expect(stat(store.folder + "/usage.json", &status) == 0 && status.st_mode & 0o777 == 0o600)
            #expect(stat(store.folder, &status) == 0 && status.st_mode & 0o777 == 0o700)
            try store.clear()
            #expect(try store.read().days.isEmpty)
        }
    }

    @Test(
        "A damaged file counts as empty and is put aside",
        arguments: [
            "", "{", "[]", #"{"schema":0,"days":{}}"#,
            #"{"schema":1,"days":{"d":{"swift":{"answered":-1,"latency":[1]}}}}"#,
        ])
    func damaged(text: String) throws {
        try withStore { store in
            try store.add(history(day: "2026-01-01", accepted: 2))
            try Data(text.utf8).write(to: URL(filePath: store.folder + "/usage.json"))
            try store.add(history(day: "2026-01-01", accepted: 7))
            #expect(try store.read().days["2026-01-01"]?["swift"]?.accepted == 7)
            let aside = store.folder + "/usage.json.damaged"
            #expect(try Data(contentsOf: URL(filePath: aside)) == Data(text.utf8))
            try store.clear()
            #expect(!FileManager.default.fileExists(atPath: aside))
        }
    }

    @Test("A second damaged file does not take the first one's place")
    func damagedTwice() throws {
        try withStore { store in
            for text in ["first", "second"] {
                try store.add(history(day: "2026-01-01", accepted: 2))
                try Data(text.utf8).write(to: URL(filePath: store.folder + "/usage.json"))
            }
            try store.add(history(day: "2026-01-01", accepted: 7))
            let aside = store.folder + "/usage.json.damaged"
            #expect(try Data(contentsOf: URL(filePath: aside)) == Data("first".utf8))
            #expect(try Data(contentsOf: URL(filePath: aside + ".2")) == Data("second".utf8))
            try store.clear()
            #expect(!FileManager.default.fileExists(atPath: aside + ".2"))
        }
    }

    @Test("The end waits for counts that are being written", .timeLimit(.minutes(1)))
    func endsAfterWrite() throws {
        try withStore { store in
            try store.add(history(day: "2026-03-04", accepted: 2))
            let lock = open(store.folder + "/usage.lock", O_RDWR | O_CLOEXEC)
            #expect(flock(lock, LOCK_EX) == 0)
            let recorder = UsageRecorder(store: store) { "2026-03-04" }
            recorder.note(.accepted(languageID: "swift", characterCount: 5))
            _ = BlockingThread.start(name: "write") { recorder.write() }
            while !recorder.isWriting { sched_yield() }
            _ = BlockingThread.start(name: "unlock") {
                while !recorder.isEnded { sched_yield() }
                close(lock)
            }
            recorder.end()
            #expect(!recorder.isWriting)
            #expect(try store.read().days["2026-03-04"]?["swift"]?.accepted == 3)
        }
    }

    @Test("A newer version's counts are left alone")
    func newer() throws {
        try withStore { store in
            try store.add(history(day: "2026-01-01", accepted: 2))
            let newer = Data(#"{"schema":99,"years":{}}"#.utf8)
            try newer.write(to: URL(filePath: store.folder + "/usage.json"))
            #expect(throws: UsageStore.Failure.self) { try store.read() }
            #expect(throws: UsageStore.Failure.self) { try store.add(history(day: "2026-01-01", accepted: 7)) }
            #expect(try Data(contentsOf: URL(filePath: store.folder + "/usage.json")) == newer)
            try store.clear()
            #expect(try store.read().days.isEmpty)
        }
    }

    @Test("A pipe or a link in place of the file neither blocks nor is followed")
    func hostileFile() throws {
        try withStore { store in
            try store.add(history(day: "2026-01-01", accepted: 2))
            let path = store.folder + "/usage.json"
            unlink(path)
            #expect(mkfifo(path, 0o600) == 0)
            #expect(try store.read().days.isEmpty)
            unlink(path)
            #expect(symlink("/etc/passwd", path) == 0)
            #expect(throws: UsageStore.Failure.self) { try store.read() }
        }
    }

    @Test("A daemon that was stopped while it held the lock holds up no other, and what was not written is kept")
    func heldLock() throws {
        try withStore { store in
            try store.add(history(day: "2026-03-04", accepted: 2))
            var store = store
            store.lockTimeout = .milliseconds(1)
            let lock = open(store.folder + "/usage.lock", O_RDWR | O_CLOEXEC)
            #expect(flock(lock, LOCK_EX) == 0)
            #expect(throws: UsageStore.Failure.self) { try store.add(history(day: "2026-03-04", accepted: 1)) }
            let recorder = UsageRecorder(store: store) { "2026-03-04" }
            recorder.note(.accepted(languageID: "swift", characterCount: 5))
            recorder.end()
            close(lock)
            recorder.end()
            let counts = try #require(try store.read().days["2026-03-04"]?["swift"])
            #expect(counts.accepted == 3 && counts.acceptedCharacters == 5)
        }
    }

    @Test("Days and languages are bounded, and the largest counts do not trap")
    func bounds() {
        var history = UsageHistory()
        for index in 0..<200 {
            history.change(day: "2026-01-01", languageID: "l\(index)") { $0.shown += 1 }
        }
        #expect(history.days["2026-01-01"]?.count == UsageHistory.maximumLanguageCount + 1)
        #expect(history.days["2026-01-01"]?.values.reduce(0) { $0 + $1.shown } == 200)
        var all = UsageHistory()
        for day in 1000..<1500 { all.add(self.history(day: "\(day)", accepted: .max)) }
        #expect(all.days.count == UsageHistory.maximumDayCount)
        #expect(all.days["1100"] != nil && all.days["1099"] == nil)
        all.add(self.history(day: "1499", accepted: .max))
        #expect(all.days["1499"]?["swift"]?.accepted == .max)
    }

    @Test("Percentiles are within a bucket of the truth")
    func percentiles() throws {
        var histogram = LatencyHistogram()
        #expect(histogram.percentile(0.5) == nil)
        for milliseconds in 1...100 { histogram.add(.milliseconds(milliseconds)) }
        let median = try #require(histogram.percentile(0.5))
        #expect(median >= 50 && median <= 50 * 1.25)
        let late = try #require(histogram.percentile(0.95))
        #expect(late >= 95 && late <= 95 * 1.25)
        histogram.add(.seconds(100_000))
        #expect(histogram.total == 101)
    }

    @Test("What a session counted is on disk when it ended, unless counting is off")
    func recorder() throws {
        try withStore { store in
            let recorder = UsageRecorder(store: store) { "2026-03-04" }
            recorder.note(.accepted(languageID: "swift", characterCount: 5))
            recorder.noteAnswer(languageID: "swift", isEmpty: false, latency: .milliseconds(3))
            recorder.end()
            let counts = try #require(try store.read().days["2026-03-04"]?["swift"])
            #expect(counts.acceptedCharacters == 5 && counts.answered == 1)

            let silent = UsageRecorder(store: store) { "2026-03-05" }
            silent.setEnabled(false)
            silent.note(.accepted(languageID: "swift", characterCount: 5))
            silent.end()
            #expect(try store.read().days["2026-03-05"] == nil)
        }
    }

    @Test("The table for a person has one line per language and a total")
    func table() {
        var swift = UsageCounts()
        for _ in 0..<4 { swift.note(.shown(languageID: "swift", characterCount: 10)) }
        swift.note(.accepted(languageID: "swift", characterCount: 10))
        swift.latency.add(.milliseconds(12))
        var other = UsageCounts()
        other.note(.shown(languageID: "", characterCount: 1))
        let lines = UsageTable(languages: ["swift": swift, "": other], dayCount: 1).text.split(separator: "\n")
        #expect(lines.count == 5)
        #expect(lines[0] == "1 day with use")
        #expect(lines[2].hasPrefix("swift") && lines[2].contains("25 %"))
        #expect(lines[3].hasPrefix("other"))
        #expect(lines[4].hasPrefix("all"))
        #expect(Set(lines.dropFirst().map(\.count)).count == 1)
    }
}
