// What is remembered of contexts: the newest of each document.

import Foundation
import SpecEngine
import Testing

@testable import CompletionDaemon

@Suite("Kept context")
struct KeptContextTests {
    private static func entry(isRestored: Bool) -> KeptContext.Entry {
        KeptContext.Entry(
            rootPath: "/root", documentPath: "/root/a.py", tokens: [TokenID(1)], sources: [], isRestored: isRestored)
    }

    @Test("A snapshot never takes the place of what was read in this session, however close together both come")
    func restoring() {
        for _ in 0..<2_000 {
            let kept = KeptContext()
            DispatchQueue.concurrentPerform(iterations: 2) { number in
                if number == 0 { kept.keep(Self.entry(isRestored: false)) }
                if number == 1 { kept.restore(Self.entry(isRestored: true)) }
            }
            #expect(kept.restored(for: "/root/a.py") == nil)
        }
    }
}
