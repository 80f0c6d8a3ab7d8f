// The streaming detokenizer on every way to cut a text into pieces.

import SpecEngine
import TestSupport
import Testing

@Suite("Streaming detokenizer")
struct StreamingDetokenizerTests {
    private let text = "naïve “café” 你好 🙂👩‍💻 e\u{301} \u{10FFFF}\u{800}\u{D7FF}\u{E000}\u{7FF}\u{80} end"

    @Test("Byte by byte, only whole characters come out, and all of them")
    func byteByByte() {
        var detokenizer = StreamingDetokenizer()
        var output = ""
        for byte in text.utf8 {
            let piece = detokenizer.append(CollectionOfOne(byte))
            #expect(!piece.unicodeScalars.contains("\u{FFFD}"))
            output += piece
        }
        #expect(Array((output + detokenizer.finish()).utf8) == Array(text.utf8))
    }

    @Test("Any split of a valid text gives exactly its bytes", arguments: 0..<200 as Range<UInt64>)
    func randomSplits(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var detokenizer = StreamingDetokenizer()
        var output: [UInt8] = []
        var rest = ArraySlice(Array(text.utf8))
        while !rest.isEmpty {
            let piece = rest.prefix(Int.random(in: 0...7, using: &random))
            rest = rest.dropFirst(piece.count)
            let text = detokenizer.append(piece)
            #expect(!text.unicodeScalars.contains("\u{FFFD}"), "seed \(seed)")
            output += Array(text.utf8)
        }
        #expect(!detokenizer.hasPendingBytes)
        #expect(detokenizer.finish() == "")
        #expect(output == Array(text.utf8), "seed \(seed)")
    }

    @Test(
        "Any split of any bytes gives what decoding them at once gives", arguments: 0..<400 as Range<UInt64>)
    func invalidBytes(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        let alphabet: [UInt8] = [
            0x41, 0x80, 0xBF, 0x9F, 0xA0, 0xC0, 0xC3, 0xE0, 0xE2, 0xED, 0xF0, 0xF4, 0xF5, 0x82, 0x90,
        ]
        let bytes = (0..<60).map { _ in alphabet.randomElement(using: &random) ?? 0 }
        var detokenizer = StreamingDetokenizer()
        var output = ""
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(Int.random(in: 1...4, using: &random))
            rest = rest.dropFirst(piece.count)
            output += detokenizer.append(piece)
        }
        output += detokenizer.finish()
        #expect(Array(output.utf8) == Array(String(decoding: bytes, as: UTF8.self).utf8), "seed \(seed)")
    }

    @Test("A text that ends inside a character ends with one replacement character")
    func unfinished() {
        var detokenizer = StreamingDetokenizer()
        #expect(detokenizer.append([0x61, 0xF0, 0x9F, 0x99]) == "a")
        #expect(detokenizer.hasPendingBytes)
        #expect(detokenizer.finish() == "\u{FFFD}")
        #expect(detokenizer.finish() == "")
    }

    @Test(
        "Bytes that no other bytes can complete are replaced at once, not held back",
        arguments: [
            [0xFF], [0xC0, 0x80], [0xE0, 0x80], [0xED, 0xA0], [0xF0, 0x80], [0xF4, 0x90], [0xC3, 0x41],
        ]
            as [[UInt8]])
    func hopelessBytes(bytes: [UInt8]) {
        var detokenizer = StreamingDetokenizer()
        #expect(detokenizer.append(bytes) == String(decoding: bytes, as: UTF8.self))
        #expect(!detokenizer.hasPendingBytes)
    }
}
