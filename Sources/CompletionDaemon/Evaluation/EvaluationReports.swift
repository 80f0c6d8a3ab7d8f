// Writes a run's reports from its journal and says the main figures.

import CompletionEvaluation

#if canImport(Glibc)
    import Glibc
#endif

enum EvaluationReports {
    /// Reads the folder's journal and writes the reports beside it.
    ///
    /// - Throws: also when cases have failed, after the reports are written.
    static func write(folder: String, energyJoules: Double? = nil) throws {
        let (header, records) = try JournalReader.run(in: folder)
        try SpeculationCheck.check(records, configurations: header.configurations)
        let machine = MachineDescription.current()
        let report = ReportBuilder.report(
            header: header, records: records,
            machine: "\(machine.cpu), \(machine.cores) cores", energyJoules: energyJoules)
        try ReportWriter.write(report, to: folder)
        for configuration in report.configurations {
            FileDescriptorOutput.write(line(configuration, caseCount: header.shardCaseCount) + "\n", to: 1)
        }
        FileDescriptorOutput.write("\(folder)/report.html\n", to: 1)
        let failedCount = report.configurations.reduce(0) { $0 + $1.failedCount }
        guard failedCount == 0 else {
            throw EvaluationError(
                .data, "\(failedCount) cases failed",
                fix: "the report says why; the same command tries them again")
        }
    }

    private static func line(_ configuration: EvaluationReport.Configuration, caseCount: Int) -> String {
        let metrics = ["exact_match", "edit_similarity", "identifier_f1"].compactMap { name -> String? in
            guard let estimate = configuration.overall.metrics[name] else { return nil }
            let percent = { (value: Double) in "\((value * 1000).rounded() / 10)" }
            return "\(name) \(percent(estimate.mean)) % [\(percent(estimate.low)), \(percent(estimate.high))]"
        }
        let count = configuration.answeredCount
        let answered = count == caseCount ? "\(count)" : "\(count) of \(caseCount)"
        return (["\(configuration.name): \(answered) answered"] + metrics).joined(separator: ", ")
    }
}

/// The processor's own energy counter (Linux powercap), where it can be read: usually by root alone.
struct EnergyMeter {
    private static let path = "/sys/class/powercap/intel-rapl:0/energy_uj"
    private static let rangePath = "/sys/class/powercap/intel-rapl:0/max_energy_range_uj"
    private let start = Self.read(Self.path)

    /// Joules since the meter was made; nil where the counter cannot be read.
    func joules() -> Double? {
        guard let start, let now = Self.read(Self.path) else { return nil }
        let wrapped = now < start ? Self.read(Self.rangePath) ?? 0 : 0
        return (now - start + wrapped) / 1_000_000
    }

    private static func read(_ path: String) -> Double? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var buffer = [UInt8](repeating: 0, count: 32)
        let count = Glibc.read(descriptor, &buffer, buffer.count)
        guard count > 0 else { return nil }
        return Double(String(decoding: buffer[..<count].prefix { $0 > 0x20 }, as: UTF8.self))
    }
}
