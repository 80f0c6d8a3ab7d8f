// What counts as shown and as taken, from what editors report and from their edits.

import Testing

@testable import CompletionDaemon

struct SuggestionLedgerTests {
    private let start = ContinuousClock.now
    private let uri = DocumentURI("file:///a.py")

    private func document() -> DocumentSnapshot {
        DocumentSnapshot(uri: uri, languageID: "python", version: 1, bytes: [])
    }

    private func ledger(_ texts: String...) -> (ledger: SuggestionLedger, ids: [String]) {
        var ledger = SuggestionLedger()
        let ids = ledger.send(texts, in: document(), now: start)
        return (ledger, ids)
    }

    private func after(_ milliseconds: Int) -> ContinuousClock.Instant { start + .milliseconds(milliseconds) }

    private func shown(_ count: Int) -> UsageEvent { .shown(languageID: "python", characterCount: count) }
    private func accepted(_ count: Int) -> UsageEvent { .accepted(languageID: "python", characterCount: count) }
    private func partly(_ count: Int) -> UsageEvent {
        .partiallyAccepted(languageID: "python", characterCount: count)
    }

    @Test("What an editor reports is counted once, and ends all guessing")
    func reported() {
        var (ledger, ids) = ledger("total(1)", "top")
        #expect(ledger.noteShown(ids[0]) == [shown(8)])
        #expect(ledger.noteShown(ids[0]) == [])
        #expect(ledger.notePartiallyAccepted(ids[0], utf16Length: 5) == [partly(5)])
        #expect(ledger.notePartiallyAccepted(ids[0], utf16Length: 5) == [])
        #expect(ledger.noteAccepted(ids[0]) == [accepted(3)])
        #expect(ledger.noteAccepted(ids[0]) == [])
        #expect(ledger.noteEdit(of: uri, insertion: "top", now: after(900)) == [])
        #expect(ledger.noteAccepted("99") == [])
    }

    @Test("Of what was taken, the lines that are still there half a minute later are kept")
    func kept() {
        var (ledger, ids) = ledger("total(\n    1)")
        _ = ledger.noteAccepted(ids[0])
        let later = DocumentSnapshot(
            uri: uri, languageID: "python", version: 2, bytes: Array("x = total(\n\t2)\n".utf8))
        #expect(ledger.noteKept(in: later, now: .now) == [])
        let kept = UsageEvent.kept(languageID: "python", characterCount: 6)
        #expect(ledger.noteKept(in: later, now: .now + .seconds(31)) == [kept])
        #expect(ledger.noteKept(in: later, now: .now + .seconds(31)) == [])
    }

    @Test("Lengths are UTF-16 units, and nonsense does no harm")
    func units() {
        var (ledger, ids) = ledger("😀é!")
        #expect(ledger.notePartiallyAccepted(ids[0], utf16Length: 3) == [shown(3), partly(2)])
        #expect(ledger.notePartiallyAccepted(ids[0], utf16Length: -4) == [])
        #expect(ledger.notePartiallyAccepted(ids[0], utf16Length: .max) == [partly(1)])
    }

    @Test("An insertion of the whole text is an acceptance; the command that follows is not another")
    func insertedWhole() {
        var (ledger, ids) = ledger("total(1)")
        #expect(ledger.noteEdit(of: uri, insertion: "total(1)", now: after(900)) == [shown(8), accepted(8)])
        #expect(ledger.noteAccepted(ids[0]) == [])
        #expect(ledger.noteEdit(of: uri, insertion: "total(1)", now: after(950)) == [])
    }

    @Test("Accepting by word counts what was taken; typing along does not")
    func insertedInPart() {
        var (ledger, _) = ledger("total of all")
        #expect(ledger.noteEdit(of: uri, insertion: "t", now: after(100)) == [])
        #expect(ledger.noteEdit(of: uri, insertion: "otal", now: after(900)) == [shown(12), partly(4)])
        #expect(ledger.noteEdit(of: uri, insertion: " of all", now: after(950)) == [accepted(7)])
    }

    @Test("What stood too shortly was not shown; another edit ends the suggestion")
    func dismissed() {
        var (ledger, _) = ledger("total")
        #expect(ledger.noteEdit(of: uri, insertion: "x", now: after(100)) == [])
        #expect(ledger.noteEdit(of: uri, insertion: "total", now: after(900)) == [])

        ledger = SuggestionLedger()
        _ = ledger.send(["total"], in: document(), now: start)
        #expect(ledger.noteEdit(of: uri, insertion: nil, now: after(900)) == [shown(5)])
        #expect(ledger.noteEdit(of: DocumentURI("file:///b.py"), insertion: "total", now: after(900)) == [])
    }

    @Test("Only the newest suggestions are kept")
    func bounded() {
        var ledger = SuggestionLedger()
        let first = ledger.send(["a"], in: document(), now: start)
        for _ in 0..<SuggestionLedger.maximumCount { _ = ledger.send(["b"], in: document(), now: start) }
        #expect(ledger.noteAccepted(first[0]) == [])
    }
}
