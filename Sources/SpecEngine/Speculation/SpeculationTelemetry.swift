// What speculation did in one generation: counters that make the mean accepted length, per source and in all.

/// Counters of one generation.
package struct SpeculationTelemetry: Sendable {
    package struct Source: Sendable, Equatable {
        /// Nodes verified.
        package var drafted = 0
        /// Of these, how many were on the accepted path.
        package var accepted = 0
    }

    /// Passes of the target after prefill.
    package var rounds = 0
    /// Tokens emitted in these rounds: the drawn ones after the first, which prefill gives.
    package var emitted = 0
    /// By `DraftSource`.
    package var sources = [Source](repeating: Source(), count: DraftSource.allCases.count)
    /// Accepted and verified nodes by depth (index 0: directly below the root).
    package var draftedByDepth = [Int](repeating: 0, count: TokenTree.depthLimit)
    package var acceptedByDepth = [Int](repeating: 0, count: TokenTree.depthLimit)
    /// [source][depth]: the same, source by source.
    package var draftedBySourceAndDepth = SpeculationTelemetry.emptyTable
    package var acceptedBySourceAndDepth = SpeculationTelemetry.emptyTable
    /// [rows]: passes of the target, and levels of the draft layer, of so many rows.
    package var passesByRowCount = [Int](repeating: 0, count: TokenTree.capacity + 1)
    package var levelsByRowCount = [Int](repeating: 0, count: LongSpecDraft.levelLimit + 1)
    package var draftTime = Duration.zero
    package var targetTime = Duration.zero
    /// Of `targetTime`, what attention took; zero unless the engine was asked to profile.
    package var attentionTime = Duration.zero
    /// Sampling, matching and copying accepted keys and values.
    package var verificationTime = Duration.zero

    package var drafted: Int { sources.reduce(0) { $0 + $1.drafted } }
    package var accepted: Int { sources.reduce(0) { $0 + $1.accepted } }
    /// Tokens per pass of the target: the paper's τ.
    package var meanAcceptedLength: Double { rounds == 0 ? 0 : Double(emitted) / Double(rounds) }

    package subscript(source: DraftSource) -> Source { sources[source.rawValue] }

    /// Adds another generation's counters.
    package mutating func add(_ other: SpeculationTelemetry) {
        rounds += other.rounds
        emitted += other.emitted
        for index in sources.indices {
            sources[index].drafted += other.sources[index].drafted
            sources[index].accepted += other.sources[index].accepted
        }
        for index in draftedByDepth.indices {
            draftedByDepth[index] += other.draftedByDepth[index]
            acceptedByDepth[index] += other.acceptedByDepth[index]
        }
        for source in sources.indices {
            for index in draftedBySourceAndDepth[source].indices {
                draftedBySourceAndDepth[source][index] += other.draftedBySourceAndDepth[source][index]
                acceptedBySourceAndDepth[source][index] += other.acceptedBySourceAndDepth[source][index]
            }
        }
        for rows in passesByRowCount.indices { passesByRowCount[rows] += other.passesByRowCount[rows] }
        for rows in levelsByRowCount.indices { levelsByRowCount[rows] += other.levelsByRowCount[rows] }
        draftTime += other.draftTime
        attentionTime += other.attentionTime
        targetTime += other.targetTime
        verificationTime += other.verificationTime
    }

    package init() {}

    private static let emptyTable = [[Int]](
        repeating: [Int](repeating: 0, count: TokenTree.depthLimit), count: DraftSource.allCases.count)

    mutating func record(_ tree: TokenTree, path: [Int], emitted: Int, levelRowCounts: [Int]) {
        rounds += 1
        self.emitted += emitted
        passesByRowCount[tree.count] += 1
        for rows in levelRowCounts { levelsByRowCount[rows] += 1 }
        for node in 1..<max(1, tree.count) {
            sources[tree.sources[node].rawValue].drafted += 1
            draftedByDepth[tree.depths[node] - 1] += 1
            draftedBySourceAndDepth[tree.sources[node].rawValue][tree.depths[node] - 1] += 1
        }
        for node in path.dropFirst() {
            sources[tree.sources[node].rawValue].accepted += 1
            acceptedByDepth[tree.depths[node] - 1] += 1
            acceptedBySourceAndDepth[tree.sources[node].rawValue][tree.depths[node] - 1] += 1
        }
    }
}
