// x
package enum HTMLReport {
    static func page(of report: EvaluationReport) throws -> String { "" }
}
