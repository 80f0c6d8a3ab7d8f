// The append-only record of a run: a header line, then one line per answer, each on disk before the next case begins.
// After a crash or a power cut the journal is read again: a torn last line is cut off, answered cases are not rerun.

import RepoContext

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#endif

/// One run's journal, open for appending. Not Sendable: one task owns it.
package final class RunJournal {
    /// In a run's folder.
    package static let fileName = "journal.jsonl"
    private let descriptor: Int32
    private let path: String
    private let lock: FileLock

    /// Cases that have an answer.
    package private(set) var answered: Set<Key>

    /// A case under a configuration.
    package struct Key: Hashable, Sendable {
        package let configuration: String
        package let id: String

        package init(configuration: String, id: String) {
            self.configuration = configuration
            self.id = id
        }
    }

    /// Opens the journal of a folder, made if need be, and takes up what is in it. Holds a lock until it goes.
    ///
    /// - Throws: when another run is in the folder, or the same run is writing to it now.
    package init(folder: String, header: RunHeader) throws {
        try RunFolder.make(folder)
        lock = try RunFolder.lock(folder)
        path = folder + "/" + Self.fileName
        descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw RunFolder.error("cannot be opened", path) }
        answered = []
        do {
            try takeUp(header)
        } catch {
            close(descriptor)
            throw error
        }
    }

    deinit { close(descriptor) }

    private func takeUp(_ header: RunHeader) throws {
        let content = try JournalReader.read(path)
        if let found = content.header {
            guard found == header else {
                throw EvaluationError(
                    .usage, "\(path) belongs to another run (\(JournalReader.difference(found, header)))",
                    fix: "use another --output, or delete that folder")
            }
            guard ftruncate(descriptor, off_t(content.wholeByteCount)) == 0 else {
                throw RunFolder.error("cannot be cut back to its last whole line", path)
            }
            answered = Set(
                content.records.filter { $0.error == nil }.map {
                    Key(configuration: $0.configuration, id: $0.id)
                })
        } else {
            guard ftruncate(descriptor, 0) == 0 else { throw RunFolder.error("cannot be emptied", path) }
            try write(header)
            try RunFolder.synchronize(RunFolder.parent(of: path))
        }
    }

    /// Appends an answer; it is on disk when this returns.
    package func append(_ record: CaseRecord) throws {
        try write(record)
        if record.error == nil { answered.insert(Key(configuration: record.configuration, id: record.id)) }
    }

    private func write(_ value: some Encodable) throws {
        var bytes = [UInt8](try JournalReader.encoder().encode(value))
        bytes.append(0x0A)
        try RunFolder.write(bytes, to: descriptor, path: path)
        guard fdatasync(descriptor) == 0 else { throw RunFolder.error("cannot be brought to disk", path) }
    }
}

/// Reads journals.
package enum JournalReader {
    package struct Content {
        package var header: RunHeader?
        /// Each case once per configuration, in the order of the journal; of two answers the last.
        package var records: [CaseRecord] = []
        /// Bytes up to the end of the last whole line.
        package var wholeByteCount = 0
        /// Lines that are no records, and a torn last one.
        package var damagedLineCount = 0
    }

    static func encoder() -> JSONEncoder {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return encoder
    }

    /// All of a journal; an absent one is empty.
    package static func read(_ path: String) throws -> Content {
        guard let data = FileManager.default.contents(atPath: path) else { return Content() }
        var content = Content()
        var places: [RunJournal.Key: Int] = [:]
        var start = data.startIndex
        while let end = data[start...].firstIndex(of: 0x0A) {
            let line = data[start..<end]
            if content.header == nil {
                guard let header = try? JSONDecoder().decode(RunHeader.self, from: line) else {
                    throw EvaluationError(
                        .data, "\(path) does not begin as a journal of this version does",
                        fix: "use another --output, or delete that folder")
                }
                content.header = header
            } else if let record = try? JSONDecoder().decode(CaseRecord.self, from: line) {
                let key = RunJournal.Key(configuration: record.configuration, id: record.id)
                if let place = places[key] {
                    // A failed attempt never replaces an answer.
                    if record.error == nil || content.records[place].error != nil {
                        content.records[place] = record
                    }
                } else {
                    places[key] = content.records.count
                    content.records.append(record)
                }
            } else {
                content.damagedLineCount += 1
            }
            start = data.index(after: end)
        }
        content.wholeByteCount = start - data.startIndex
        if start < data.endIndex { content.damagedLineCount += 1 }
        return content
    }

    /// The journal of a run's folder; an error when there is none.
    package static func run(in folder: String) throws -> (header: RunHeader, records: [CaseRecord]) {
        let content = try read(folder + "/" + RunJournal.fileName)
        guard let header = content.header else {
            throw EvaluationError(
                .data, "\(folder) holds no evaluation", fix: "name the folder that --output named")
        }
        return (header, content.records)
    }

    /// What differs between two headers, in words.
    package static func difference(_ a: RunHeader, _ b: RunHeader) -> String {
        var words: [String] = []
        func compare<Value: Equatable>(_ name: String, _ path: KeyPath<RunHeader, Value>) {
            if a[keyPath: path] != b[keyPath: path] { words.append(name) }
        }
        compare("version", \.version)
        compare("kind", \.kind)
        compare("subject", \.subject)
        compare("source", \.source)
        compare("limit", \.limit)
        compare("seed", \.seed)
        compare("shard", \.shard)
        compare("cases", \.fingerprint)
        compare("engine", \.engine)
        compare("configurations", \.configurations)
        return words.isEmpty ? "other input" : "it differs in " + words.joined(separator: ", ")
    }
}
