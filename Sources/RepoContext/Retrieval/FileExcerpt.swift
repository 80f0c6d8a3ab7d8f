// Which lines of a chosen file go into the prompt when it is larger than its share: its beginning, or the
// lines from the definition on that the cursor asks for.

/// Cuts texts to whole lines.
enum FileExcerpt {
    /// Lines shown before a wanted definition (its doc comment, its attributes), and the grid on which an
    /// excerpt starts, so that two neighbouring definitions give the same excerpt.
    static let leadLineCount = 4
    static let gridLineCount = 16

    /// At most `byteCount` bytes of whole lines.
    ///
    /// - Parameter wanted: names to show. If none is defined in the beginning, the excerpt moves to one of
    ///   those used nearest to the cursor; among these to the first in the text, which changes least while
    ///   typing.
    static func excerpt(
        _ text: [UInt8], byteCount: Int, wanted: [UsedName], language: SourceLanguage
    ) -> [UInt8] {
        guard text.count > byteCount else { return text }
        let beginning = PromptBuilder.wholeLines(text, byteCount: byteCount)
        guard !wanted.isEmpty else { return beginning }
        let lineByName = Dictionary(
            DefinitionScanner.definitions(in: text, language: language).map { ($0.name, Int($0.line)) },
            uniquingKeysWith: { first, _ in first }
        )
        let beginningLineCount = beginning.count { $0 == 0x0A }
        let lines = wanted.sorted { $0.strength > $1.strength }.compactMap { used in
            lineByName[used.name].map { (line: $0, strength: used.strength) }
        }
        // One wanted definition in the beginning is enough to keep it: it also shows the imports.
        guard let strongest = lines.first?.strength, !lines.contains(where: { $0.line < beginningLineCount }),
            let first = lines.filter({ $0.strength == strongest }).map(\.line).min()
        else { return beginning }
        let startLine = max(0, first - leadLineCount) / gridLineCount * gridLineCount
        let excerpt = PromptBuilder.wholeLines(lineSuffix(text, from: startLine), byteCount: byteCount)
        let isInside = first < startLine + excerpt.count { $0 == 0x0A }
        if isInside { return excerpt }
        // Long lines: the grid start is too far away for the share.
        return PromptBuilder.wholeLines(lineSuffix(text, from: first), byteCount: byteCount)
    }

    private static func lineSuffix(_ text: [UInt8], from line: Int) -> [UInt8] {
        var start = 0
        for _ in 0..<line {
            guard let lineFeed = text[start...].firstIndex(of: 0x0A) else { return [] }
            start = lineFeed + 1
        }
        return Array(text[start...])
    }
}
