// Cuts the byte stream of the base protocol into message bodies (LSP 3.18, "Base Protocol": header fields, an
// empty line, Content-Length bytes). A push parser: bytes go in as they come, frames come out when complete,
// and where the stream was cut into reads makes no difference. It knows nothing of JSON.
//
// Tolerated: any order and case of fields, unknown fields, blanks around values, bare line feeds. Recovery: a
// header block that gives no length is reported once, then everything up to the next "Content-Length:" is
// passed over. That cannot mistake document text for a frame: inside JSON a line break is always escaped, so
// a field followed by a real line break never lies within a string. A body over the limit is passed over by
// its length.

/// What is wrong with a frame. Every case is survivable; see the file comment.
enum FrameError: Error, Equatable, Sendable {
    case headerTooLong(limit: Int)
    case missingContentLength
    case invalidContentLength(found: String)
    case conflictingContentLengths(first: Int, second: Int)
    case bodyTooLong(byteCount: Int, limit: Int)
}

extension FrameError: CustomStringConvertible {
    var description: String {
        switch self {
        case .headerTooLong(let limit):
            "no message header within \(limit) bytes; expected 'Content-Length: N' and an empty line"
        case .missingContentLength:
            "message header without Content-Length; expected 'Content-Length: N' and an empty line"
        case .invalidContentLength(let found):
            "Content-Length is '\(found)'; expected a decimal number of bytes"
        case .conflictingContentLengths(let first, let second):
            "two Content-Length fields, \(first) and \(second); expected one"
        case .bodyTooLong(let byteCount, let limit):
            "message of \(byteCount) bytes is over the limit of \(limit) and was skipped"
        }
    }
}

/// One thing the framer found in the stream.
enum Frame: Equatable, Sendable {
    case message([UInt8])
    case malformed(FrameError)
}

/// The push parser. A value with no thread of its own.
struct MessageFramer: Sendable {
    private enum State {
        case header
        case body(byteCount: Int)
        case skippingBody(remainingByteCount: Int)
        case searchingHeader
    }

    private let headerLimit: Int
    private let bodyLimit: Int
    private var state = State.header
    private var buffer: [UInt8] = []
    private var readIndex = 0
    /// Bytes from `readIndex` in which no end of header was found, so that no byte is looked at twice.
    private var scannedByteCount = 0

    init(limits: Limits) {
        headerLimit = limits.frameHeaderByteCount
        bodyLimit = limits.frameBodyByteCount
    }

    /// True when the stream may end here without cutting a message.
    var isBetweenMessages: Bool {
        switch state {
        case .header, .searchingHeader: unreadByteCount == 0
        case .body, .skippingBody: false
        }
    }

    private var unreadByteCount: Int { buffer.count - readIndex }

    /// Takes the next bytes of the stream, in any portion.
    mutating func append(_ bytes: some Sequence<UInt8>) {
        if readIndex > 0 {
            buffer.removeFirst(readIndex)
            readIndex = 0
        }
        buffer.append(contentsOf: bytes)
    }

    /// The next complete frame, nil when more bytes are needed.
    mutating func next() -> Frame? {
        while true {
            switch state {
            case .header:
                switch readHeader() {
                case .incomplete: return nil
                case .accepted: continue
                case .rejected(let error): return .malformed(error)
                }
            case .body(let byteCount):
                guard unreadByteCount >= byteCount else { return nil }
                let body = Array(buffer[readIndex..<readIndex + byteCount])
                consume(byteCount)
                state = .header
                return .message(body)
            case .skippingBody(let remaining):
                let skipped = min(remaining, unreadByteCount)
                consume(skipped)
                guard skipped == remaining else {
                    state = .skippingBody(remainingByteCount: remaining - skipped)
                    return nil
                }
                state = .header
            case .searchingHeader:
                guard searchHeader() else { return nil }
            }
        }
    }

    private mutating func consume(_ byteCount: Int) {
        readIndex += byteCount
        scannedByteCount = 0
    }

    // MARK: Header

    private enum HeaderReading {
        case incomplete
        case accepted
        case rejected(FrameError)
    }

    /// Reads one header block and moves the state on, unless it is incomplete.
    private mutating func readHeader() -> HeaderReading {
        skipLineBreaks()
        guard let header = headerBlock() else {
            guard unreadByteCount >= headerLimit else { return .incomplete }
            // Past the first byte, or the search would find the same field again.
            consume(1)
            state = .searchingHeader
            return .rejected(.headerTooLong(limit: headerLimit))
        }
        let parsed = Self.contentLength(inHeader: buffer[header.content])
        switch parsed {
        case .success(let byteCount) where byteCount <= bodyLimit:
            consume(header.end - readIndex)
            state = .body(byteCount: byteCount)
            return .accepted
        case .success(let byteCount):
            consume(header.end - readIndex)
            state = .skippingBody(remainingByteCount: byteCount)
            return .rejected(.bodyTooLong(byteCount: byteCount, limit: bodyLimit))
        case .failure(let error):
            // The block's own field must not be found again, or the same error would repeat for ever.
            consume(header.end - readIndex)
            state = .searchingHeader
            return .rejected(error)
        }
    }

    /// Some clients end a body with a line break that its length does not count.
    private mutating func skipLineBreaks() {
        while readIndex < buffer.count, buffer[readIndex] == 0x0D || buffer[readIndex] == 0x0A { consume(1) }
    }

    /// The block up to an empty line (a line feed, an optional carriage return, a line feed) within the
    /// limit.
    private mutating func headerBlock() -> (content: Range<Int>, end: Int)? {
        let scanEnd = min(buffer.count, readIndex + headerLimit)
        var index = readIndex + scannedByteCount
        while index < scanEnd {
            defer { index += 1 }
            guard buffer[index] == UInt8(ascii: "\n") else { continue }
            var previous = index - 1
            if previous >= readIndex, buffer[previous] == UInt8(ascii: "\r") { previous -= 1 }
            if previous >= readIndex, buffer[previous] == UInt8(ascii: "\n") {
                return (readIndex..<index, index + 1)
            }
        }
        scannedByteCount = max(0, scanEnd - readIndex)
        return nil
    }

    private static func contentLength(inHeader header: ArraySlice<UInt8>) -> Result<Int, FrameError> {
        var found: Int?
        for line in header.split(separator: UInt8(ascii: "\n")) {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
            guard lowercased(trimmed(line[..<colon])).elementsEqual(contentLengthName) else { continue }
            let value = trimmed(line[line.index(after: colon)...])
            guard let byteCount = decimal(value) else {
                let shown = String(decoding: value.prefix(32), as: UTF8.self)
                return .failure(.invalidContentLength(found: shown))
            }
            if let found, found != byteCount {
                return .failure(.conflictingContentLengths(first: found, second: byteCount))
            }
            found = byteCount
        }
        guard let found else { return .failure(.missingContentLength) }
        return .success(found)
    }

    private static let contentLengthName = Array("content-length".utf8)

    private static func lowercased(_ bytes: ArraySlice<UInt8>) -> some Sequence<UInt8> {
        bytes.lazy.map { (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains($0) ? $0 | 0x20 : $0 }
    }

    private static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }
        guard let first = bytes.firstIndex(where: { !isBlank($0) }),
            let last = bytes.lastIndex(where: { !isBlank($0) })
        else { return [] }
        return bytes[first...last]
    }

    /// Digits only (no sign), nil on overflow.
    private static func decimal(_ bytes: ArraySlice<UInt8>) -> Int? {
        guard !bytes.isEmpty else { return nil }
        var value = 0
        for byte in bytes {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            let (product, overflowsProduct) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflowsSum) = product.addingReportingOverflow(Int(byte - UInt8(ascii: "0")))
            guard !overflowsProduct, !overflowsSum else { return nil }
            value = sum
        }
        return value
    }

    // MARK: Recovery

    /// Passes over bytes up to the next "Content-Length:". False: not there yet, more bytes are needed.
    private mutating func searchHeader() -> Bool {
        let name = Self.contentLengthName + [UInt8(ascii: ":")]
        var index = readIndex
        while index + name.count <= buffer.count {
            // The first letter alone rules out most of what is passed over.
            if buffer[index] | 0x20 == name[0],
                Self.lowercased(buffer[index..<index + name.count]).elementsEqual(name)
            {
                consume(index - readIndex)
                state = .header
                return true
            }
            index += 1
        }
        // A name cut by the end of the buffer must stay.
        consume(index - readIndex)
        return false
    }
}
