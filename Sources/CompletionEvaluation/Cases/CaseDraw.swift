// Which of many candidates become cases. Each candidate has a number that its name and the seed give it; the smallest
// numbers of each kind are taken. So a draw depends on nothing but names and seed: not on the order in which files
// are read, and little on candidates that come or go.

/// A candidate that has not been built yet.
struct CaseCandidate<Payload> {
    let kind: CaseKind
    let id: String
    let order: UInt64
    let payload: Payload

    init(kind: CaseKind, id: String, seed: UInt64, payload: Payload) {
        self.kind = kind
        self.id = id
        self.payload = payload
        var hash = StableHash(seed: seed)
        hash.add(id)
        order = hash.value
    }
}

/// Keeps the candidates that a draw of `limit` may need, in bounded memory.
struct CaseDraw<Payload> {
    private let limit: Int
    private var byKind: [CaseKind: [CaseCandidate<Payload>]] = [:]
    /// All candidates seen.
    private(set) var candidateCount = 0

    init(limit: Int) { self.limit = limit }

    mutating func add(_ candidate: CaseCandidate<Payload>) {
        candidateCount += 1
        byKind[candidate.kind, default: []].append(candidate)
        // Cut back seldom: sorting is dearer than keeping.
        if byKind[candidate.kind]?.count ?? 0 > 4 * limit + 1_024 { cutBack(candidate.kind) }
    }

    private mutating func cutBack(_ kind: CaseKind) {
        guard let candidates = byKind.removeValue(forKey: kind) else { return }
        byKind[kind] = Array(candidates.sorted { ($0.order, $0.id) < ($1.order, $1.id) }.prefix(limit))
    }

    /// The drawn candidates: as many of each kind as there are, up to an equal share, kinds taking turns.
    mutating func drawn() -> [CaseCandidate<Payload>] {
        for kind in CaseKind.allCases { cutBack(kind) }
        var drawn: [CaseCandidate<Payload>] = []
        var place = 0
        while drawn.count < limit {
            let round = CaseKind.allCases.compactMap { kind -> CaseCandidate<Payload>? in
                guard let candidates = byKind[kind], place < candidates.count else { return nil }
                return candidates[place]
            }
            if round.isEmpty { break }
            drawn += round.prefix(limit - drawn.count)
            place += 1
        }
        return drawn
    }
}
