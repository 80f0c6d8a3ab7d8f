// Further suggestions for a user who asked: that what fails in one of them costs nothing else.

import RepoContext
import TestSupport
import Testing

@testable import CompletionDaemon

@Suite("Further suggestions", .timeLimit(.minutes(10)))
struct AlternativesTests {
    @Test("A failure in a further suggestion keeps those before it")
    func failure() async {
        let found = await Alternatives.find(besides: ["first"], logger: silentLogger) { seed in
            if seed == 1 { return "second" }
            throw RepoContextError.cancelled
        }
        #expect(found == ["second"])
    }
}
