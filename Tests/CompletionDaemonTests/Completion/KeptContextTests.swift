// What is remembered of contexts: the newest of each document.

import Foundation
import SpecEngine
import Synchronization
import Testing

@testable import CompletionDaemon

@Suite("Kept context")
struct KeptContextTests {
    private static func entry(isRestored: Bool) -> KeptContext.Entry {
        KeptContext.Entry(
            rootPath: "/project", documentPath: "/project/a.py", tokens: [TokenID(1)], sources: [],
            isRestored: isRestored)
    }

    @Test("A snapshot never takes the place of what was read in this session, however close together both come")
    func restoring() {
        let kept = KeptContext()
        let isReplaced = Atomic(false)
        DispatchQueue.concurrentPerform(iterations: 4) { number in
            for _ in 0..<20_000 {
                guard number == 0 else {
                    kept.restore(Self.entry(isRestored: true))
                    continue
                }
                kept.forget("/project/a.py")
                kept.keep(Self.entry(isRestored: false))
                for _ in 0..<4 where kept.restored(for: "/project/a.py") != nil {
                    isReplaced.store(true, ordering: .relaxed)
                }
            }
        }
        let wasReplaced = isReplaced.load(ordering: .relaxed)
        #expect(!wasReplaced)
    }

    @Test("A snapshot whose files' places are in no order costs nothing but its context")
    func disorder() async {
        // A process of its own, because it would end.
        await #expect(processExitsWith: .success) {
            let tokens = (0..<200).map { TokenID(Int32($0)) }
            let sources = [0..<300, 0..<200].map { SnapshotSource(path: "b.py", blobID: "", tokenRange: $0) }
            let entry = KeptContext.Entry(
                rootPath: "/project", documentPath: "/project/a.py", tokens: tokens, sources: sources)
            let limited = entry.limited(to: 300)
            guard limited.tokens == tokens, limited.sources == [sources[1]] else { _exit(EXIT_FAILURE) }
            _exit(EXIT_SUCCESS)
        }
    }
}
