// The field mappings of the published data sets. Each follows the rows as their authors publish them; where a row has
// no file name, one is made up from its language.

extension DatasetFormat {
    /// https://crosscodeeval.github.io: the statement after `prompt`, with chunks of other files.
    static let crossCodeEval = DatasetFormat(
        name: "crosscodeeval", title: "CrossCodeEval",
        knownFields: ["prompt", "right_context", "groundtruth", "crossfile_context", "metadata"]
    ) { row throws(DatasetRow.Unusable) in
        let metadata = row.value["metadata"]
        let path = metadata?["file"]?.string
        var files: [CaseContext.File] = []
        let chunks = row.value["crossfile_context"]?["list"]?.array ?? []
        // Published with the best chunk first; a prompt has it last, nearest to the cursor.
        for chunk in chunks.reversed() {
            guard let text = chunk["retrieved_chunk"]?.string else { continue }
            files.append(CaseContext.File(path: chunk["filename"]?.string ?? "context", text: text))
        }
        if files.isEmpty, let text = row.value["crossfile_context"]?["text"]?.string, !text.isEmpty {
            files = [CaseContext.File(path: "context", text: text)]
        }
        let expected = try row.text("groundtruth")
        // A statement that goes over several lines is compared as a whole.
        return try row.makeCase(
            id: metadata?["task_id"]?.string, kind: expected.isOneLine ? .restOfLine : .block, path: path,
            language: nil, prefix: try row.text("prompt"),
            suffix: try row.optionalText("right_context") ?? "", expected: expected, files: files)
    }

    /// https://huggingface.co/datasets/tianyang/repobench_python_v1.1: the next line of `cropped_code`.
    static let repoBench = DatasetFormat(
        name: "repobench", title: "RepoBench v1.1",
        knownFields: [
            "repo_name", "file_path", "context", "import_statement", "token_num", "cropped_code", "all_code",
            "next_line", "gold_snippet_index", "created_at", "level",
        ]
    ) { row throws(DatasetRow.Unusable) in
        let imports = try row.optionalText("import_statement") ?? ""
        let code = try row.text("cropped_code")
        var files: [CaseContext.File] = []
        for snippet in row.value["context"]?.array ?? [] {
            guard let text = snippet["snippet"]?.string else { continue }
            files.append(CaseContext.File(path: snippet["path"]?.string ?? "context", text: text))
        }
        // `next_line` has no indentation where the set's authors stripped it; metrics compare trimmed texts.
        return try row.makeCase(
            id: nil, kind: .line, path: row.value["file_path"]?.string, language: nil,
            prefix: (imports.isEmpty ? "" : imports + "\n") + code + (code.hasSuffix("\n") ? "" : "\n"),
            expected: try row.text("next_line"), files: files)
    }

    /// With the names of LongBench-E, which has the same rows by length.
    private static let codeTasks: Set<String> = ["lcc", "lcc_e", "repobench-p", "repobench-p_e"]

    /// LongBench's code tasks, LCC and RepoBench-P (https://github.com/THUDM/LongBench): the next line.
    static let longBench = DatasetFormat(
        name: "longbench", title: "LongBench (LCC, RepoBench-P)",
        knownFields: ["input", "context", "answers", "length", "dataset", "language", "all_classes", "_id"]
    ) { row throws(DatasetRow.Unusable) in
        // Rows of the other tasks have the same fields, and no code to continue.
        if let dataset = try row.optionalText("dataset"), !codeTasks.contains(dataset) {
            throw DatasetRow.Unusable(reason: "\(dataset) is no code task")
        }
        let context = try row.text("context")
        let input = try row.optionalText("input") ?? ""
        let isCrossFile = !input.isEmpty
        return try row.makeCase(
            id: row.value["_id"]?.string, kind: .line, path: nil, language: row.value["language"]?.string,
            prefix: isCrossFile ? input : context, expected: try row.firstText("answers"),
            files: isCrossFile ? [CaseContext.File(path: "context", text: context)] : [])
    }

    /// RepoCoder's RepoEval (https://github.com/microsoft/CodeT): lines, calls and function bodies.
    static let repoEval = DatasetFormat(
        name: "repoeval", title: "RepoEval", knownFields: ["prompt", "metadata"]
    ) { row throws(DatasetRow.Unusable) in
        guard let metadata = row.value["metadata"], let expected = metadata["ground_truth"]?.string else {
            throw DatasetRow.Unusable(reason: "no field metadata.ground_truth")
        }
        let components = (metadata["fpath_tuple"]?.array ?? []).compactMap(\.string)
        return try row.makeCase(
            id: metadata["task_id"]?.string.map { "\($0) line \(row.line)" },
            kind: expected.isOneLine ? .line : .functionBody,
            path: components.isEmpty ? nil : components.dropFirst().joined(separator: "/"),
            language: "python",
            prefix: try row.text("prompt"), expected: expected)
    }

    /// https://github.com/gonglinyuan/safim: the hole in `prompt`, which describes the problem before the code, as the
    /// authors' infilling has it. Where that hole is not to be found: the one in `eval_prompt`, the code alone.
    static let safim = DatasetFormat(
        name: "safim", title: "SAFIM",
        knownFields: [
            "task_id", "lang", "prompt", "eval_prompt", "ground_truth", "unit_tests", "result", "type",
        ]
    ) { row throws(DatasetRow.Unusable) in
        let language = try row.optionalText("lang")
        let mark = language == "python" ? "# TODO: Your code here" : "/* TODO: Your code here */"
        var text = try row.optionalText("prompt") ?? ""
        var holes = text.ranges(of: mark)
        if holes.count != 1 {
            text = try row.text("eval_prompt")
            holes = text.ranges(of: "{{completion}}")
        }
        guard let hole = holes.first else {
            throw DatasetRow.Unusable(reason: "eval_prompt has no {{completion}}")
        }
        return try row.makeCase(
            id: row.value["task_id"]?.string, kind: .infill, path: nil, language: language,
            prefix: String(text[..<hole.lowerBound]), suffix: String(text[hole.upperBound...]),
            expected: try row.text("ground_truth"))
    }

    /// https://github.com/openai/human-eval-infilling: single-line, multi-line and random-span.
    static let humanEvalInfilling = DatasetFormat(
        name: "humaneval-infilling", title: "HumanEval-Infilling",
        knownFields: ["task_id", "entry_point", "prompt", "suffix", "canonical_solution", "test"]
    ) { row throws(DatasetRow.Unusable) in
        let expected = try row.text("canonical_solution")
        return try row.makeCase(
            id: row.value["task_id"]?.string, kind: expected.isOneLine ? .line : .infill, path: nil,
            language: "python",
            prefix: try row.text("prompt"), suffix: try row.text("suffix"), expected: expected)
    }
}

extension String {
    /// But for line feeds at both ends.
    fileprivate var isOneLine: Bool {
        var rest = self[...]
        while rest.first?.isNewline == true { rest.removeFirst() }
        while rest.last?.isNewline == true { rest.removeLast() }
        return !rest.contains(where: \.isNewline)
    }
}
