// The names in an expected and in a written text, compared as lists and as bags. Words of the language do not count.
// A text without any name asks for none: writing none is then perfect.

import RepoContext

/// The comparison of two texts' names.
struct Identifiers: Equatable {
    let areEqual: Bool
    let precision: Double
    let recall: Double

    var f1: Double { precision + recall == 0 ? 0 : 2 * precision * recall / (precision + recall) }

    init(wanted: String, written: String, path: String) {
        let language = LanguageName.sourceLanguage(ofPath: path)
        let wanted = SourceOutline.identifiers(in: Array(wanted.utf8), language: language)
        let written = SourceOutline.identifiers(in: Array(written.utf8), language: language)
        areEqual = wanted == written
        var left: [String: Int] = [:]
        for name in wanted { left[name, default: 0] += 1 }
        var common = 0
        for name in written {
            guard let count = left[name], count > 0 else { continue }
            left[name] = count - 1
            common += 1
        }
        precision = written.isEmpty ? (wanted.isEmpty ? 1 : 0) : Double(common) / Double(written.count)
        recall = wanted.isEmpty ? (written.isEmpty ? 1 : 0) : Double(common) / Double(wanted.count)
    }
}
