// The merges of a byte-pair encoding as a hash table from a pair of token ids to the merge's rank and result.

/// Looks up merges. Immutable once built.
struct MergeTable: Sendable {
    /// A merge packed as rank in the high half and merged token in the low half, so that comparing two packed
    /// merges compares their ranks. `noMerge` is above all of them.
    typealias PackedMerge = UInt64

    static let noMerge = PackedMerge.max

    private struct Slot {
        var pair: UInt64
        var merge: PackedMerge
    }

    /// No pair of token ids, which are below 2^31, looks like this.
    private static let emptyPair = UInt64.max

    private var slots: [Slot]
    /// Random and odd, so that no file can be made whose pairs all fall into one slot.
    private let hashMultiplier = UInt64.random(in: .min ... .max) | 1
    private let hashShift: UInt64

    init(mergeCount: Int) {
        // At most half full, at least two slots.
        let bitCount = Int.bitWidth - (mergeCount * 2 + 1).leadingZeroBitCount
        slots = [Slot](repeating: Slot(pair: Self.emptyPair, merge: Self.noMerge), count: 1 << bitCount)
        hashShift = UInt64(64 - bitCount)
    }

    /// Adds a merge, unless the pair already has one: the first, lowest rank stays.
    mutating func insert(left: TokenID, right: TokenID, rank: UInt32, merged: TokenID) {
        let pair = Self.pair(left.rawValue, right.rawValue)
        var slot = firstSlot(pair)
        while slots[slot].pair != Self.emptyPair {
            if slots[slot].pair == pair { return }
            slot = (slot + 1) & (slots.count - 1)
        }
        slots[slot] = Slot(
            pair: pair, merge: UInt64(rank) << 32 | UInt64(UInt32(bitPattern: merged.rawValue)))
    }

    /// The merge of two neighbours, or `noMerge`.
    @inline(__always)
    func merge(_ left: Int32, _ right: Int32) -> PackedMerge {
        let pair = Self.pair(left, right)
        return slots.withUnsafeBufferPointer { slots in
            var slot = firstSlot(pair)
            while true {
                let found = slots[slot]
                // An empty slot holds `noMerge`.
                if found.pair == pair || found.pair == Self.emptyPair { return found.merge }
                slot = (slot + 1) & (slots.count - 1)
            }
        }
    }

    /// Comes first when lower; several pairs may have the same.
    @inline(__always)
    static func rank(_ merge: PackedMerge) -> UInt64 { merge >> 32 }

    @inline(__always)
    static func mergedToken(_ merge: PackedMerge) -> Int32 { Int32(truncatingIfNeeded: merge) }

    @inline(__always)
    private static func pair(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    @inline(__always)
    private func firstSlot(_ pair: UInt64) -> Int {
        Int(truncatingIfNeeded: (pair &* hashMultiplier) >> hashShift)
    }
}
