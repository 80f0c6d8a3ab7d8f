// Positions and offsets against an implementation so simple that it is plainly right: the text as an array of
// scalars, split by hand.

import TestSupport
import Testing

@testable import CompletionDaemon

/// The naive twin of LineTable.
struct NaiveText {
    /// Lines without their endings, and the byte offset at which each starts.
    private(set) var lines: [(start: Int, scalars: [Unicode.Scalar])] = [(0, [])]
    let byteCount: Int

    init(_ text: String) {
        let scalars = Array(text.unicodeScalars)
        var offset = 0
        for (index, scalar) in scalars.enumerated() {
            offset += UTF8.width(scalar)
            let isCRBeforeLF = scalar == "\r" && index + 1 < scalars.count && scalars[index + 1] == "\n"
            if scalar == "\n" || scalar == "\r", !isCRBeforeLF {
                if scalar == "\n", lines[lines.count - 1].scalars.last == "\r", scalars[index - 1] == "\r" {
                    lines[lines.count - 1].scalars.removeLast()
                }
                lines.append((offset, []))
            } else {
                lines[lines.count - 1].scalars.append(scalar)
            }
        }
        byteCount = offset
    }

    func units(_ scalar: Unicode.Scalar, _ encoding: PositionEncoding) -> Int {
        switch encoding {
        case .utf8: UTF8.width(scalar)
        case .utf16: UTF16.width(scalar)
        case .utf32: 1
        }
    }

    func offset(_ position: Position, _ encoding: PositionEncoding) -> Int {
        guard position.line >= 0 else { return 0 }
        guard position.line < lines.count else { return byteCount }
        var offset = lines[position.line].start
        var column = 0
        for scalar in lines[position.line].scalars {
            column += units(scalar, encoding)
            if column > position.character { break }
            offset += UTF8.width(scalar)
        }
        return offset
    }

    func position(_ offset: Int, _ encoding: PositionEncoding) -> Position {
        let line = lines.lastIndex { $0.start <= offset } ?? 0
        var current = lines[line].start
        var column = 0
        for scalar in lines[line].scalars {
            current += UTF8.width(scalar)
            if current > offset { break }
            column += units(scalar, encoding)
        }
        return Position(line: line, character: column)
    }
}

@Suite("Line table")
struct LineTableTests {
    static let pieces = [
        "a", "xyz", " ", "é", "ß", "世", "𝒳", "👩‍👩‍👧", "\n", "\r\n", "\r", "\n\n", "\t",
        "e\u{301}", "\u{2028}",
        "",
    ]

    static func randomText(_ random: inout SeededRandom, pieceCount: Int) -> String {
        (0..<random.below(pieceCount + 1)).map { _ in random.element(of: pieces) }.joined()
    }

    @Test(
        "Every position and offset of random texts agrees with the naive text",
        arguments: PositionEncoding.allCases)
    func conversions(encoding: PositionEncoding) {
        for seed in UInt64(0)..<150 {
            var random = SeededRandom(seed: seed)
            let text = Self.randomText(&random, pieceCount: 20)
            let bytes = Array(text.utf8)
            let table = LineTable(bytes)
            let naive = NaiveText(text)
            #expect(table.lineStarts == naive.lines.map(\.start), "seed \(seed)")
            for line in -1...naive.lines.count + 1 {
                for character in [-1, Int.max] + Array(0...15) {
                    let position = Position(line: line, character: character)
                    let found = table.resolve(position, in: bytes, encoding: encoding).offset
                    #expect(found == naive.offset(position, encoding), "seed \(seed), \(position)")
                }
            }
            for offset in 0...bytes.count {
                let found = table.position(of: offset, in: bytes, encoding: encoding)
                #expect(found == naive.position(offset, encoding), "seed \(seed), offset \(offset)")
            }
        }
    }

    @Test("Edits keep the table equal to one built anew")
    func edits() {
        for seed in UInt64(0)..<300 {
            var random = SeededRandom(seed: seed)
            var bytes = Array(Self.randomText(&random, pieceCount: 12).utf8)
            var table = LineTable(bytes)
            for _ in 0..<20 {
                // Byte ranges anywhere, inside line endings too: the table does not rely on characters.
                let start = random.below(bytes.count + 1)
                let end = start + random.below(bytes.count - start + 1)
                let inserted = Array(Self.randomText(&random, pieceCount: 3).utf8)
                bytes.replaceSubrange(start..<end, with: inserted)
                table.replace(start..<end, insertedByteCount: inserted.count, newBytes: bytes)
                #expect(table == LineTable(bytes), "seed \(seed)")
                guard table == LineTable(bytes) else { return }
            }
        }
    }

    @Test("Only places that do not exist count as clamped")
    func clamping() {
        let bytes = Array("ab\n𝒳\n".utf8)
        let table = LineTable(bytes)
        func resolve(_ line: Int, _ character: Int) -> LineTable.Resolution {
            table.resolve(Position(line: line, character: character), in: bytes, encoding: .utf16)
        }
        #expect(resolve(0, 99) == .init(offset: 2, wasClamped: false))
        #expect(resolve(1, 1) == .init(offset: 3, wasClamped: true))
        #expect(resolve(1, 2) == .init(offset: 7, wasClamped: false))
        #expect(resolve(2, 0) == .init(offset: 8, wasClamped: false))
        #expect(resolve(3, 0) == .init(offset: 8, wasClamped: false))
        #expect(resolve(3, 1) == .init(offset: 8, wasClamped: true))
        #expect(resolve(400, 0) == .init(offset: 8, wasClamped: true))
        #expect(resolve(-1, 5) == .init(offset: 0, wasClamped: true))
        #expect(resolve(0, -7) == .init(offset: 0, wasClamped: true))
    }
}
