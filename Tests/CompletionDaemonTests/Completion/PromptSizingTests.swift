// Prompt sizes: small until the rate is known, and never waited for.

import TestSupport
import Testing

@testable import CompletionDaemon
@testable import SpecEngine

@Suite("Prompt sizing")
struct PromptSizingTests {
    @Test("The size is the smallest until enough tokens were read, follows the rate then, and stays")
    func followsTheFirstRate() {
        let estimate = PromptSizeEstimate(fixedTokenBudget: nil)
        #expect(estimate.tokenBudget == 512)
        estimate.note(tokenCount: 20, prefillTime: .milliseconds(1))
        #expect(estimate.tokenBudget == 512)
        estimate.note(tokenCount: 512, prefillTime: .milliseconds(256))
        #expect(estimate.tokenBudget == 1_536)
        estimate.note(tokenCount: 512, prefillTime: .milliseconds(10))
        #expect(estimate.tokenBudget == 1_536)
    }

    @Test("A size that the user gave is kept")
    func keepsAFixedSize() {
        let estimate = PromptSizeEstimate(fixedTokenBudget: 700)
        estimate.note(tokenCount: 512, prefillTime: .milliseconds(10))
        #expect(estimate.tokenBudget == 700)
    }

    @Test("A request that is there first keeps the measurement from starting; without one it is made")
    func measuresBeforeRequestsAlone() async throws {
        let engine = try EngineConfiguration(modelPath: FixturePaths.defaultModel).load()
        let late = PromptSizeEstimate(fixedTokenBudget: nil)
        late.requestArrived()
        await late.measure(on: engine)
        #expect(!late.isMeasured)
        let early = PromptSizeEstimate(fixedTokenBudget: nil)
        await early.measure(on: engine)
        #expect(early.isMeasured)
    }
}
