// Files of one JSON object per line. A line that is no UTF-8, no JSON or no object is counted with its number and
// passed over; the rest of the file goes on.

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#endif

/// Reads JSON Lines.
package struct JSONLines {
    /// A longer line is no row of a known data set.
    package static let maximumLineByteCount = 64 << 20
    /// Larger files are to be split.
    package static let maximumFileByteCount = 8 << 30

    private let data: Data
    private let lines: [Range<Int>]
    /// A checksum of the file.
    package let fingerprint: String

    /// What data sets are published as besides, by their first bytes.
    private static let otherFormats: [(magic: [UInt8], name: String, fix: String)] = [
        ([0x1F, 0x8B], "compressed", "unpack it: gunzip"),
        ([0xFD, 0x37, 0x7A], "compressed", "unpack it: xz -d"),
        ([0x28, 0xB5, 0x2F, 0xFD], "compressed", "unpack it: zstd -d"),
        ([0x50, 0x4B, 0x03, 0x04], "a zip archive", "unpack it: unzip"),
        (
            Array("PAR1".utf8), "Parquet",
            "convert it in Python: pandas.read_parquet(FILE).to_json(OUT, orient='records', lines=True)"
        ),
    ]

    /// Why a file cannot be read, in the system's words: Foundation's name a number.
    private static func fault(ofFile path: String) -> String {
        var status = stat()
        if stat(path, &status) != 0 || access(path, R_OK) != 0 { return String(cString: strerror(errno)) }
        return status.st_mode & S_IFMT == S_IFDIR ? "it is a folder" : "it is no file with an end"
    }

    /// Opens a file; an empty one is an error, because nothing can be evaluated.
    package init(path: String) throws {
        do {
            data = try Data(contentsOf: URL(filePath: path), options: .mappedIfSafe)
        } catch {
            throw EvaluationError(
                .data, "\(path) cannot be read: \(Self.fault(ofFile: path))", fix: "check the path")
        }
        guard data.count <= Self.maximumFileByteCount else {
            throw EvaluationError(.data, "\(path) is larger than 8 GiB", fix: "split it")
        }
        var ranges: [Range<Int>] = []
        var hash = StableHash()
        data.withUnsafeBytes { bytes in
            hash.add(bytes.count > 1 << 24 ? bytes[..<(1 << 24)] : bytes[...])
            hash.add("\(bytes.count)")
            var start = 0
            while start < bytes.count {
                let end = bytes[start...].firstIndex(of: 0x0A) ?? bytes.count
                ranges.append(start..<end)
                start = end + 1
            }
        }
        lines = ranges
        fingerprint = hash.hexadecimal
        if let found = Self.otherFormats.first(where: { data.starts(with: $0.magic) }) {
            throw EvaluationError(.data, "\(path) is \(found.name), not JSON Lines", fix: found.fix)
        }
        if data.first == UInt8(ascii: "["), data.dropFirst().first(where: { $0 > 0x20 }) == UInt8(ascii: "{") {
            throw EvaluationError(
                .data, "\(path) is one JSON array, not JSON Lines", fix: "write one object per line: jq -c '.[]'")
        }
        guard !lines.isEmpty else {
            throw EvaluationError(.data, "\(path) is empty", fix: "give a file with one JSON object per line")
        }
    }

    /// Calls `row` with each object and its line number (from 1), `bad` with each line that is none. Blank lines are
    /// passed over.
    package func forEach(row: (Int, AnyJSON) -> Void, bad: (SkippedInput) -> Void) {
        for (index, range) in lines.enumerated() {
            switch parse(range) {
            case .success(nil): continue
            case .success(let value?): row(index + 1, value)
            case .failure(let reason): bad(SkippedInput(line: index + 1, reason: reason.text))
            }
        }
    }

    /// The object at a line, as `forEach` gave it.
    package func object(line: Int) -> AnyJSON? {
        guard lines.indices.contains(line - 1), case .success(let value) = parse(lines[line - 1]) else {
            return nil
        }
        return value
    }

    private struct Reason: Error { let text: String }

    private func parse(_ range: Range<Int>) -> Result<AnyJSON?, Reason> {
        guard range.count <= Self.maximumLineByteCount else {
            return .failure(Reason(text: "longer than \(Self.maximumLineByteCount >> 20) MiB"))
        }
        var bytes = [UInt8](data[(data.startIndex + range.lowerBound)..<(data.startIndex + range.upperBound)])
        if range.lowerBound == 0, bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }  // a byte order mark
        if bytes.allSatisfy({ $0 <= 0x20 }) { return .success(nil) }
        guard String(validating: bytes, as: UTF8.self) != nil else {
            return .failure(Reason(text: "not UTF-8"))
        }
        guard let value = try? JSONDecoder().decode(AnyJSON.self, from: Data(bytes)) else {
            return .failure(Reason(text: "not JSON"))
        }
        guard case .object = value else { return .failure(Reason(text: "not a JSON object")) }
        return .success(value)
    }
}
