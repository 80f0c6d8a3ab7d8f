// What the suggestion cache may answer, and what it must not: every answer is compared with the text that the user
// would see.

import Testing

@testable import CompletionDaemon

struct SuggestionCacheTests {
    /// `|` marks the cursor.
    private func place(_ marked: String, path: String = "/a.py") -> SuggestionCache.Place {
        let parts = marked.split(separator: "|", maxSplits: 1, omittingEmptySubsequences: false)
        return SuggestionCache.Place(
            path: path, text: Array((parts[0] + parts[1]).utf8), offset: parts[0].utf8.count)
    }

    private func cache(_ marked: String, _ suggestions: [String]) -> SuggestionCache {
        var cache = SuggestionCache()
        cache.store(suggestions, at: place(marked))
        return cache
    }

    @Test(
        "Typing along, deleting back and asking again show the rest of the suggestion",
        arguments: [
            ("x = |\n", "x = |\n", ["total(1)", "top"]),
            ("x = |\n", "x = t|\n", ["otal(1)", "op"]),
            ("x = |\n", "x = tot|\n", ["al(1)"]),
            ("x = |\n", "x =|\n", [" total(1)", " top"]),
            ("x = |\n", "|\n", ["x = total(1)", "x = top"]),
        ])
    func follows(made: String, asked: String, expected: [String]) {
        var cache = cache(made, ["total(1)", "top"])
        #expect(cache.suggestions(at: place(asked)) == expected)
    }

    @Test(
        "Another text, another file or a suggestion typed to its end is not answered",
        arguments: [
            "x = |\n#", "y = |\n", "x = n|\n", "x = total(1)|\n", "x = t|\n\n", "x = |t\n", "y = t|\n",
        ])
    func refuses(asked: String) {
        var cache = cache("x = |\n", ["total(1)"])
        #expect(cache.suggestions(at: place(asked)) == nil)
        #expect(cache.suggestions(at: place("x = |\n", path: "/b.py")) == nil)
    }

    @Test("Deleting over a line break asks the model again")
    func deletedLine() {
        var cache = cache("a\nx = |\n", ["total(1)"])
        #expect(cache.suggestions(at: place("a\n|\n")) == ["x = total(1)"])
        #expect(cache.suggestions(at: place("a|\n")) == nil)
    }

    @Test("That there is nothing to suggest is known for the very place only")
    func nothing() {
        var cache = cache("x = |\n", [])
        #expect(cache.suggestions(at: place("x = |\n")) == [])
        #expect(cache.suggestions(at: place("x = t|\n")) == nil)
        #expect(cache.suggestions(at: place("x =|\n")) == nil)
    }

    @Test("What was computed for the place itself wins over what is derived")
    func exactFirst() {
        var cache = cache("x = t|\n", ["op"])
        cache.store(["total(1)"], at: place("x = |\n"))
        #expect(cache.suggestions(at: place("x = t|\n")) == ["op"])
    }

    @Test("Entries end with their time, and their number and bytes are bounded")
    func bounds() {
        var cache = cache("x = |\n", ["total(1)"])
        let later = ContinuousClock.now + SuggestionCache.lifetime + .seconds(1)
        #expect(cache.suggestions(at: place("x = |\n"), now: later) == nil)

        for index in 0...SuggestionCache.maximumCount {
            cache.store(["s"], at: place("\(index)|\n"))
        }
        #expect(cache.suggestions(at: place("0|\n")) == nil)
        #expect(cache.suggestions(at: place("1|\n")) == ["s"])

        let large = String(repeating: "a", count: SuggestionCache.maximumByteCount)
        cache.store(["s"], at: place(large + "|"))
        #expect(cache.suggestions(at: place(large + "|")) == ["s"])
        #expect(cache.suggestions(at: place("1|\n")) == nil)
    }

    @Test("A character of several bytes is typed whole")
    func multibyte() {
        var cache = cache("x = |", ["größe"])
        #expect(cache.suggestions(at: place("x = grö|")) == ["ße"])
    }
}
