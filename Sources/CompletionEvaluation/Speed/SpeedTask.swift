// The tasks that speculative decoding is measured on: long prompts with long answers, in the rows of LongBench
// (`dataset`, `context`, `input`) and questions in the rows of AIME (`problem`). The instructions are our own words for
// what each task asks; what is measured is speed, and that does not depend on them.

/// One prompt to answer.
package struct SpeedTask: Sendable, Equatable {
    package let id: String
    /// `gov_report`, `qmsum`, `multi_news`, `lcc`, `repobench-p` or `aime`.
    package let task: String
    package let prompt: String
    /// Code is continued as it is; the others are questions, put into a model's chat template where it has one.
    package let isCode: Bool

    /// The tasks that are understood.
    package static let names = ["gov_report", "qmsum", "multi_news", "lcc", "repobench-p", "aime"]

    /// Draws up to `limit` rows of a file by the seed; the rows that cannot be used are named with their lines.
    package static func draw(
        path: String, limit: Int, seed: UInt64
    ) throws -> (tasks: [SpeedTask], skipped: [SkippedInput], fingerprint: String) {
        let file = try JSONLines(path: path)
        var skipped: [SkippedInput] = []
        var draw = CaseDraw<SpeedTask>(limit: limit)
        var ids = Set<String>()
        file.forEach { line, value in
            do throws(DatasetRow.Unusable) {
                let task = try SpeedTask(DatasetRow(value: value, line: line))
                guard ids.insert(task.id).inserted else {
                    throw DatasetRow.Unusable(reason: "a second \(task.id)")
                }
                draw.add(CaseCandidate(kind: .infill, id: task.id, seed: seed, payload: task))
            } catch {
                skipped.append(SkippedInput(line: line, reason: error.reason))
            }
        } bad: {
            skipped.append($0)
        }
        let tasks = draw.drawn().map(\.payload).sorted { ($0.task, $0.id) < ($1.task, $1.id) }
        return (tasks, skipped.sorted { $0.line < $1.line }, file.fingerprint)
    }

    private init(_ row: DatasetRow) throws(DatasetRow.Unusable) {
        if let problem = row.value["problem"]?.string ?? row.value["question"]?.string
            ?? row.value["Problem"]?.string
        {
            task = "aime"
            id = "aime " + (row.value["id"]?.string ?? row.value["ID"]?.string ?? "line \(row.line)")
            prompt =
                problem + "\n\nThink step by step and give the answer, an integer from 0 to 999, at the end."
            isCode = false
            return
        }
        var name = try row.text("dataset").lowercasedASCIIName()
        if name.hasSuffix("_e") { name.removeLast(2) }  // LongBench-E
        guard Self.names.contains(name), name != "aime" else {
            throw DatasetRow.Unusable(reason: "unknown dataset \(name)")
        }
        let context = try row.text("context")
        let input = try row.optionalText("input") ?? ""
        task = name
        id = "\(name) " + (row.value["_id"]?.string ?? "line \(row.line)")
        isCode = name == "lcc" || name == "repobench-p"
        prompt =
            switch name {
            case "gov_report": "Summarise this government report on one page.\n\n\(context)\n\nSummary:"
            case "multi_news": "Summarise these news articles on one page.\n\n\(context)\n\nSummary:"
            case "qmsum":
                "This is a meeting's transcript.\n\n\(context)\n\nAnswer this about it: \(input)\n\nAnswer:"
            default: context + input
            }
        guard prompt.utf8.count > 1 else { throw DatasetRow.Unusable(reason: "no text") }
    }
}
