// The SHA-1 name of a git object as a plain value. Repositories with SHA-256 names are not opened at all
// (libgit2 1.5 cannot), so 20 bytes are enough.

import CGit2

/// The name of a blob, tree or commit.
package struct GitObjectID: Hashable, Sendable, CustomStringConvertible {
    private let high: UInt64
    private let middle: UInt64
    private let low: UInt32

    /// The name that a blob with these bytes has.
    init?(blobWith bytes: [UInt8]) {
        var oid = git_oid()
        guard bytes.withUnsafeBytes({ git_odb_hash(&oid, $0.baseAddress, $0.count, GIT_OBJECT_BLOB) }) == 0
        else {
            return nil
        }
        self.init(oid)
    }

    /// Copies libgit2's representation.
    init(_ oid: git_oid) {
        var copy = oid
        let bytes = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { buffer in
            foretoken_git_oid_bytes(&copy, buffer.baseAddress)
            return (
                UnsafeRawPointer(buffer.baseAddress!).loadUnaligned(as: UInt64.self),
                UnsafeRawPointer(buffer.baseAddress! + 8).loadUnaligned(as: UInt64.self),
                UnsafeRawPointer(buffer.baseAddress! + 16).loadUnaligned(as: UInt32.self)
            )
        }
        (high, middle, low) = (bytes.0.bigEndian, bytes.1.bigEndian, bytes.2.bigEndian)
    }

    /// As three words, and back.
    var words: [UInt64] { [high, middle, UInt64(low)] }

    init(words: [UInt64]) {
        (high, middle, low) = (words[0], words[1], UInt32(truncatingIfNeeded: words[2]))
    }

    /// libgit2's representation, for a call.
    var oid: git_oid {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(20)
        for shift in stride(from: 56, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: high >> shift))
        }
        for shift in stride(from: 56, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: middle >> shift))
        }
        for shift in stride(from: 24, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: low >> shift))
        }
        var oid = git_oid()
        foretoken_git_oid_from_bytes(&oid, bytes)
        return oid
    }

    /// 40 lower-case hexadecimal digits.
    package var description: String {
        func hex(_ value: some FixedWidthInteger & UnsignedInteger) -> String {
            let digits = String(value, radix: 16)
            return String(repeating: "0", count: value.bitWidth / 4 - digits.utf8.count) + digits
        }
        return hex(high) + hex(middle) + hex(low)
    }
}

extension GitObjectID {
    /// From 40 hexadecimal digits; nil for anything else.
    package init?(hexadecimal text: String) {
        guard text.utf8.count == 40 else { return nil }
        var oid = git_oid()
        guard git_oid_fromstr(&oid, text) == 0 else { return nil }
        self.init(oid)
    }
}
