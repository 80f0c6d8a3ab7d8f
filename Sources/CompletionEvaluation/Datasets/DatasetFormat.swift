// The published data sets that are understood, one entry each: which fields a row has and how they make a case. Adding
// one means adding an entry. docs/EVALUATION.md shows this table.

/// A data set's format.
package struct DatasetFormat: Sendable {
    /// As it is written on the command line.
    package let name: String
    package let title: String
    /// All fields that rows are known to have; others are counted and shown.
    package let knownFields: Set<String>
    let makeCase: @Sendable (DatasetRow) throws(DatasetRow.Unusable) -> EvaluationCase

    package static let all: [DatasetFormat] = [
        crossCodeEval, repoBench, longBench, repoEval, safim, humanEvalInfilling,
    ]

    package static func named(_ name: String) -> DatasetFormat? { all.first { $0.name == name } }

    /// Draws up to `limit` rows of a file by the seed.
    package func cases(path: String, limit: Int, seed: UInt64) throws -> CaseSelection {
        let file = try JSONLines(path: path)
        var selection = CaseSelection()
        selection.source = file.fingerprint
        var draw = CaseDraw<Int>(limit: limit)
        var ids = Set<String>()
        file.forEach { line, value in
            let row = DatasetRow(value: value, line: line)
            for name in row.fieldNames where !knownFields.contains(name) {
                selection.unknownFields[name, default: 0] += 1
            }
            do throws(DatasetRow.Unusable) {
                let made = try makeCase(row)
                guard ids.insert(made.id).inserted else {
                    throw DatasetRow.Unusable(reason: "a second \(made.id)")
                }
                draw.add(CaseCandidate(kind: made.kind, id: made.id, seed: seed, payload: line))
            } catch {
                selection.skipped.append(SkippedInput(line: line, reason: error.reason))
            }
        } bad: {
            selection.skipped.append($0)
        }
        selection.skipped.sort { $0.line < $1.line }
        selection.candidateCount = draw.candidateCount
        for candidate in draw.drawn().sorted(by: { $0.payload < $1.payload }) {
            guard let value = file.object(line: candidate.payload) else { continue }
            if let made = try? makeCase(DatasetRow(value: value, line: candidate.payload)) {  // it was made above
                selection.cases.append(made)
            }
        }
        return selection
    }
}

/// One row, and how its fields are asked for.
struct DatasetRow {
    /// Why a row makes no case.
    struct Unusable: Error { let reason: String }

    let value: AnyJSON
    let line: Int

    var fieldNames: [String] {
        if case .object(let members) = value { return Array(members.keys) }
        return []
    }

    func text(_ name: String) throws(Unusable) -> String {
        guard let field = value[name] else { throw Unusable(reason: "no field \(name)") }
        guard let text = field.string else { throw Unusable(reason: "\(name) is not a text") }
        return text
    }

    func optionalText(_ name: String) throws(Unusable) -> String? {
        value[name] == nil ? nil : try text(name)
    }

    /// The first text of a list of texts, or the text itself.
    func firstText(_ name: String) throws(Unusable) -> String {
        if value[name]?.string != nil { return try text(name) }
        guard let first = value[name]?.array?.first?.string else {
            throw Unusable(reason: "\(name) is not a list of texts")
        }
        return first
    }

    /// The case, unless nothing is expected or nothing is there to go on.
    func makeCase(
        id: String?, kind: CaseKind, path: String?, language: String?, prefix: String, suffix: String = "",
        expected: String, files: [CaseContext.File] = []
    ) throws(Unusable) -> EvaluationCase {
        guard expected.contains(where: { !$0.isWhitespace }) else {
            throw Unusable(reason: "nothing is expected")
        }
        guard !prefix.isEmpty || !suffix.isEmpty else { throw Unusable(reason: "no text around the cursor") }
        let known = language.map { $0.lowercasedASCIIName() }
        let path = path ?? known.map(LanguageName.fileName) ?? "main.py"
        return EvaluationCase(
            id: id.map { "\($0)" } ?? "line \(line)", kind: kind,
            language: known ?? LanguageName.of(path: path), path: path, prefix: Array(prefix.utf8),
            suffix: Array(suffix.utf8), expected: Array(expected.utf8),
            context: files.isEmpty ? .none : .files(files))
    }
}
