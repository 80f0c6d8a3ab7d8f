// Finds credentials in the text of a file: an assignment of random characters to a name that says secret, and tokens
// that services mark by their own prefix. Meant to be right when it speaks: a file that holds one gets no
// completions, so a made-up value in a test must not set it off.

import Glibc

/// The content rules of SecretPolicy besides private keys.
enum SecretAssignment {
    /// Random characters in a value at least; 24 of base64 are 144 bits.
    private static let minimumValueCount = 24
    /// Hexadecimal digits at least, where a value has nothing else.
    private static let minimumHexadecimalCount = 32
    /// Bits per character at least: random base64 of 24 characters has 4.2 on average, words and paths have less.
    private static let minimumEntropy = 4.0
    private static let minimumHexadecimalEntropy = 3.2
    /// Longest value and longest way from a name to its sign that are looked at.
    private static let maximumValueCount = 200
    private static let maximumNameCount = 64

    private static let words: [[UInt8]] = [
        "secret", "passwd", "password", "apikey", "api_key", "api-key", "access_key", "accesskey",
        "auth_token",
        "authtoken", "access_token", "accesstoken", "private_key", "privatekey", "client_secret",
    ].map { Array($0.utf8) }

    /// Prefixes of tokens with the number of characters that follow: GitHub, GitLab, Slack, AWS, Stripe, Google, npm.
    private static let prefixes: [(text: [UInt8], count: Int)] = [
        ("ghp_", 36), ("gho_", 36), ("ghs_", 36), ("github_pat_", 40), ("glpat-", 20), ("xoxb-", 40),
        ("xoxp-", 40),
        ("AKIA", 16), ("sk_live_", 24), ("rk_live_", 24), ("AIza", 35), ("npm_", 36),
    ].map { (Array($0.0.utf8), $0.1) }

    /// Whether the text holds a credential.
    static func isFound(in bytes: [UInt8]) -> Bool {
        var place = 0
        while place < bytes.count {
            let byte = bytes[place]
            let isSign = byte == UInt8(ascii: "=") || byte == UInt8(ascii: ":")
            let isQuote = byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'")
            if isSign || isQuote {
                let start = valueStart(bytes, after: place)
                if let end = longValueEnd(bytes, from: start) {
                    let value = bytes[start..<end]
                    if hasTokenPrefix(value)
                        || (isSign && isRandom(value) && namesSecret(bytes, before: place))
                    {
                        return true
                    }
                    place = end
                    continue
                }
            }
            place += 1
        }
        return false
    }

    /// Behind `=`, blanks and one quote.
    private static func valueStart(_ bytes: [UInt8], after sign: Int) -> Int {
        var start = sign + 1
        while start < bytes.count, start - sign < 4, bytes[start] == 0x20 || bytes[start] == UInt8(ascii: "=")
        {
            start += 1
        }
        if start < bytes.count, bytes[start] == UInt8(ascii: "\"") || bytes[start] == UInt8(ascii: "'") {
            start += 1
        }
        return start
    }

    /// The end of a run of at least `minimumValueCount - 4` value characters; nil for what is shorter or too long.
    private static func longValueEnd(_ bytes: [UInt8], from start: Int) -> Int? {
        var end = start
        while end < bytes.count, end - start <= maximumValueCount, isValueByte(bytes[end]) { end += 1 }
        return end - start >= 20 && end - start <= maximumValueCount ? end : nil
    }

    private static func isValueByte(_ byte: UInt8) -> Bool {
        (byte < 0x80 && byte.isIdentifierByte && byte != UInt8(ascii: "$")) || byte == UInt8(ascii: "+")
            || byte == UInt8(ascii: "/") || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "=")
    }

    private static func hasTokenPrefix(_ value: ArraySlice<UInt8>) -> Bool {
        prefixes.contains { prefix in
            value.count >= prefix.text.count + prefix.count && value.starts(with: prefix.text)
                && isVaried(value.dropFirst(prefix.text.count), entropy: 3)
        }
    }

    private static func isRandom(_ value: ArraySlice<UInt8>) -> Bool {
        let isHexadecimal = value.allSatisfy {
            ($0 >= 0x30 && $0 <= 0x39) || ($0 | 0x20 >= 0x61 && $0 | 0x20 <= 0x66)
        }
        if isHexadecimal {
            return value.count >= minimumHexadecimalCount
                && isVaried(value, entropy: minimumHexadecimalEntropy)
        }
        // A name may hold one digit; two of a random value's 24 characters are digits nine times in ten.
        let hasDigits = value.count { $0 >= 0x30 && $0 <= 0x39 } >= 2
        let hasLower = value.contains { $0 >= 0x61 && $0 <= 0x7A }
        let hasUpper = value.contains { $0 >= 0x41 && $0 <= 0x5A }
        return value.count >= minimumValueCount && hasDigits && hasLower && hasUpper
            && isVaried(value, entropy: minimumEntropy)
    }

    /// Whether the characters are as mixed as chance makes them (Shannon entropy), and not a run such as abcdef.
    private static func isVaried(_ value: ArraySlice<UInt8>, entropy minimum: Double) -> Bool {
        var counts = [Int](repeating: 0, count: 128)
        var stepCount = 0
        var previous: UInt8?
        for byte in value {
            counts[Int(byte & 0x7F)] += 1
            if let previous, byte == previous &+ 1 { stepCount += 1 }
            previous = byte
        }
        let total = Double(value.count)
        let entropy = counts.reduce(0.0) { sum, count in
            count == 0 ? sum : sum - Double(count) / total * log2(Double(count) / total)
        }
        return entropy >= minimum && stepCount * 3 < value.count
    }

    /// Whether what stands before the sign on the line says that the value is a credential.
    private static func namesSecret(_ bytes: [UInt8], before sign: Int) -> Bool {
        var start = sign
        while start > 0, sign - start < maximumNameCount, bytes[start - 1] != 0x0A { start -= 1 }
        let name = bytes[start..<sign].map { $0 >= 0x41 && $0 <= 0x5A ? $0 | 0x20 : $0 }
        return words.contains { name.firstIndex(of: $0, from: 0) != nil }
    }
}
