// The region under buffers: pieces that do not overlap, are zero, and come back.

import Glibc
import TestSupport
import Testing

@testable import SpecEngine

@Suite("Huge page region")
struct HugePageRegionTests {
    private static let page = Int(sysconf(Int32(_SC_PAGESIZE)))

    @Test("Random pieces never overlap, are zero whoever had them before, and come back whole", arguments: 1...5)
    func pieces(seed: UInt64) throws {
        let capacity = 64 << 20
        let region = try #require(HugePageRegion(byteCount: capacity))
        var random = SeededRandom(seed: seed)
        var taken: [(start: UnsafeMutableRawPointer, count: Int)] = []
        var isFull = false
        for _ in 0..<2_000 {
            if !taken.isEmpty, isFull || Int.random(in: 0..<3, using: &random) == 0 {
                let piece = taken.remove(at: Int.random(in: 0..<taken.count, using: &random))
                region.give(back: piece.start, byteCount: piece.count)
                isFull = false
                continue
            }
            let count = Int.random(in: 1...(4 << 20), using: &random)
            guard let start = region.take(count) else {
                isFull = true
                continue
            }
            let end = start + count
            #expect(taken.allSatisfy { end <= $0.start || $0.start + $0.count <= start })
            for place in [0, count / 2, count - 1] {
                #expect(start.load(fromByteOffset: place, as: UInt8.self) == 0)
                start.storeBytes(of: 0xAA, toByteOffset: place, as: UInt8.self)
            }
            taken.append((start, count))
        }
        for piece in taken { region.give(back: piece.start, byteCount: piece.count) }
        // Nothing is lost in pieces: all of it can be had at once again.
        let whole = try #require(region.take(capacity))
        #expect(UInt(bitPattern: whole) % UInt(2 << 20) == 0)
        #expect(region.take(1) == nil)
        region.give(back: whole, byteCount: capacity)
    }

    @Test("The memory of a piece that came back is the system's again")
    func memoryComesBack() throws {
        let region = try #require(HugePageRegion(byteCount: 16 << 20))
        let count = 8 << 20
        let start = try #require(region.take(count))
        memset(start, 1, count)
        #expect(Self.residentPages(start, count) == count / Self.page)
        region.give(back: start, byteCount: count)
        #expect(Self.residentPages(start, count) == 0)
    }

    @Test("Of pieces that came back from between others nothing stays")
    func memoryBetweenOthers() throws {
        let region = try #require(HugePageRegion(byteCount: 32 << 20))
        let count = 900 << 10
        let pieces = try (0..<16).map { _ in try #require(region.take(count)) }
        for piece in pieces { memset(piece, 1, count) }
        for piece in pieces.enumerated().filter({ $0.offset % 2 == 0 }).map(\.element) {
            region.give(back: piece, byteCount: count)
            #expect(Self.residentPages(piece, count) == 0)
        }
        for piece in pieces.enumerated().filter({ $0.offset % 2 == 1 }).map(\.element) {
            #expect(piece.load(fromByteOffset: count - 1, as: UInt8.self) == 1)
        }
    }

    private static func residentPages(_ start: UnsafeMutableRawPointer, _ count: Int) -> Int {
        var pages = [UInt8](repeating: 0, count: count / page)
        guard mincore(start, count, &pages) == 0 else { return -1 }
        return pages.count { $0 & 1 != 0 }
    }

    @Test("A piece that a file was mapped over is memory like any other when it is taken again")
    func fileOverPiece() throws {
        let region = try #require(HugePageRegion(byteCount: 4 << 20))
        let start = try #require(region.take(1 << 20))
        let descriptor = open("/proc/self/exe", O_RDONLY)
        #expect(mmap(start, 1 << 20, PROT_READ, MAP_SHARED | MAP_FIXED, descriptor, 0) == start)
        close(descriptor)
        #expect(start.load(as: UInt8.self) == 0x7F)
        region.give(back: start, byteCount: 1 << 20)
        #expect(region.take(1 << 20) == start)
        #expect(start.load(as: UInt8.self) == 0)
        start.storeBytes(of: 1, as: UInt8.self)
    }

    @Test("What does not fit is not given")
    func full() throws {
        let region = try #require(HugePageRegion(byteCount: 4 << 20))
        #expect(region.take(5 << 20) == nil)
        #expect(region.take(4 << 20) != nil)
        #expect(region.take(1) == nil)
    }
}
