// One pass over a message body before it is decoded. It bounds the nesting, so that no decoder's recursion is
// driven by the client, and it repairs the one thing editors send that a strict decoder refuses: half a
// surrogate pair as an escape (a buffer cut inside a character). Of JSON's rules it checks only that the text
// is UTF-8, because the decoder looks at strings late and would blame a member; the rest is the decoder's.

/// Checks and repairs on undecoded JSON.
enum JSONText {
    /// Why a body is not given to the decoder.
    enum Problem: Error, Equatable, CustomStringConvertible {
        case notUTF8
        case tooDeep(limit: Int)

        var description: String {
            switch self {
            case .notUTF8: "the message is not UTF-8"
            case .tooDeep(let limit): "the message nests deeper than \(limit) levels"
            }
        }
    }

    /// Throws when the bytes are not UTF-8 or brackets outside strings nest deeper than `limit`. An escape
    /// that is half a surrogate pair becomes the escape of U+FFFD: the same length here and one UTF-16 unit
    /// for the client, as before.
    static func prepare(_ bytes: inout [UInt8], nestingLimit limit: Int) throws(Problem) {
        guard (try? UTF8Span(validating: bytes.span)) != nil else { throw .notUTF8 }
        var depth = 0
        var loneSurrogates: [Int] = []
        var index = 0
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                depth += 1
                guard depth <= limit else { throw .tooDeep(limit: limit) }
                index += 1
            case UInt8(ascii: "]"), UInt8(ascii: "}"):
                depth -= 1
                index += 1
            case UInt8(ascii: "\""):
                index = scanString(bytes, from: index + 1, loneSurrogates: &loneSurrogates)
            default:
                index += 1
            }
        }
        for escape in loneSurrogates {
            bytes.replaceSubrange(escape..<escape + 6, with: Array("\\uFFFD".utf8))
        }
    }

    /// The index after the closing quote, or the end of the body.
    private static func scanString(_ bytes: [UInt8], from start: Int, loneSurrogates: inout [Int]) -> Int {
        var index = start
        while index < bytes.count {
            let byte = bytes[index]
            if byte == UInt8(ascii: "\"") { return index + 1 }
            guard byte == UInt8(ascii: "\\") else {
                index += 1
                continue
            }
            guard let unit = escapedUnit(bytes, at: index) else {
                index += 2
                continue
            }
            index += 6
            if (0xDC00...0xDFFF).contains(unit) { loneSurrogates.append(index - 6) }
            guard (0xD800...0xDBFF).contains(unit) else { continue }
            if let next = escapedUnit(bytes, at: index), (0xDC00...0xDFFF).contains(next) {
                index += 6
            } else {
                loneSurrogates.append(index - 6)
            }
        }
        return index
    }

    /// The code unit of a complete \uXXXX escape at `index`.
    private static func escapedUnit(_ bytes: [UInt8], at index: Int) -> UInt16? {
        guard index + 6 <= bytes.count, bytes[index] == UInt8(ascii: "\\"),
            bytes[index + 1] == UInt8(ascii: "u")
        else { return nil }
        var unit: UInt16 = 0
        for digit in bytes[index + 2..<index + 6] {
            guard let value = Character(UnicodeScalar(digit)).hexDigitValue else { return nil }
            unit = unit << 4 | UInt16(value)
        }
        return unit
    }
}
