// Document identifiers (LSP 3.18 "URI"; RFC 3986 percent-encoding; RFC 8089 file URIs). A URI is kept as the
// client wrote it, because that is the document's identity; only `file:` URIs also have a path. Untitled
// buffers and virtual documents are documents without one.

/// A document's URI, equal only to the same bytes.
struct DocumentURI: Hashable, Sendable, Codable, CustomStringConvertible {
    private let text: ExactString

    init(_ text: String) {
        self.text = ExactString(text)
    }

    init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode(String.self))
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text.value)
    }

    /// The `file:` URI of an absolute path.
    init(filePath: String) {
        var encoded: [UInt8] = Array("file://".utf8)
        let digits = Array("0123456789ABCDEF".utf8)
        for byte in filePath.utf8 {
            if Self.isUnreserved(byte) || byte == UInt8(ascii: "/") {
                encoded.append(byte)
            } else {
                encoded += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        self.init(String(decoding: encoded, as: UTF8.self))
    }

    var description: String { text.value }

    /// The absolute path of a `file:` URI on this machine. Nil for other schemes, for another host, for a
    /// path that is not absolute, holds a NUL or is not UTF-8. `#` and `?` count as part of the path: clients
    /// that forget to escape them exist, files with fragments do not.
    var filePath: String? {
        let bytes = Array(text.value.utf8)
        let scheme = Array("file:".utf8)
        guard bytes.count > scheme.count,
            zip(bytes, scheme).allSatisfy({ $0 | 0x20 == $1 | 0x20 })
        else { return nil }
        var path = bytes[scheme.count...]
        if path.starts(with: Array("//".utf8)) {
            path = path.dropFirst(2)
            let host = path.prefix { $0 != UInt8(ascii: "/") }
            guard host.isEmpty || Array(host) == Array("localhost".utf8) else { return nil }
            path = path.dropFirst(host.count)
        }
        let decoded = Self.percentDecoded(path)
        guard decoded.first == UInt8(ascii: "/"), !decoded.contains(0) else { return nil }
        return String(validating: decoded, as: UTF8.self)
    }

    /// A percent sign without two hexadecimal digits stands for itself.
    private static func percentDecoded(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        var decoded: [UInt8] = []
        decoded.reserveCapacity(bytes.count)
        var index = bytes.startIndex
        while index < bytes.endIndex {
            if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.endIndex,
                let high = hexadecimalDigit(bytes[index + 1]), let low = hexadecimalDigit(bytes[index + 2])
            {
                decoded.append(high << 4 | low)
                index += 3
            } else {
                decoded.append(bytes[index])
                index += 1
            }
        }
        return decoded
    }

    private static func hexadecimalDigit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            true
        default:
            false
        }
    }
}
