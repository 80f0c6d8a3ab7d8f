// What a measurement must say about where it was made.

import SpecEngine

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif
#if canImport(Glibc)
    import Glibc
#endif

struct MachineDescription: Encodable {
    let cpu: String
    let cores: Int
    /// Load average over one minute.
    let load: Double
    let openBLASCore: String
    /// Variables that change OpenBLAS, as NAME=VALUE.
    let openBLASVariables: [String]

    enum CodingKeys: String, CodingKey {
        case cpu, cores, load
        case openBLASCore = "openblas_core"
        case openBLASVariables = "openblas_variables"
    }

    static func current() -> MachineDescription {
        var loads = [0.0, 0.0, 0.0]
        getloadavg(&loads, 3)
        let variables = ProcessInfo.processInfo.environment
            .filter { $0.key.hasPrefix("OPENBLAS_") }.map { "\($0.key)=\($0.value)" }.sorted()
        return MachineDescription(
            cpu: cpuName(), cores: EngineOptions.availableCoreCount, load: loads[0],
            openBLASCore: OpenBLAS.coreName,
            openBLASVariables: variables)
    }

    /// The processor's name with its family and model, which tell generations apart where a hypervisor gives all of
    /// them one name: AVX-512 is twice as fast on one of two that are both called "AMD EPYC".
    static func cpuName() -> String {
        guard let data = FileManager.default.contents(atPath: "/proc/cpuinfo") else { return "unknown CPU" }
        return cpuName(inProcessorList: String(decoding: data, as: UTF8.self))
    }

    /// The first processor's in what Linux writes to /proc/cpuinfo.
    static func cpuName(inProcessorList list: String) -> String {
        var fields: [String: String] = [:]
        for line in list.split(separator: "\n", omittingEmptySubsequences: false) {
            if line.isEmpty { break }
            guard let colon = line.firstIndex(of: ":") else { continue }
            let name = line[..<colon].prefix { $0 != "\t" }
            fields[String(name)] = String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        guard let name = fields["model name"] else { return "unknown CPU" }
        guard let family = fields["cpu family"], let model = fields["model"] else { return name }
        return "\(name) (family \(family), model \(model))"
    }
}

struct BuildDescription: Encodable {
    let version: String
    let isa: String
    let threads: Int
    /// Why so many.
    let threadReason: String

    enum CodingKeys: String, CodingKey {
        case version, isa, threads
        case threadReason = "thread_reason"
    }

    static func current(_ engine: InferenceEngine) -> BuildDescription {
        BuildDescription(
            version: ForetokenVersion.current, isa: engine.instructionSet.description,
            threads: engine.threadCount,
            threadReason: engine.choseThreads ? ThreadChoice.automatic.reason : "as you said")
    }
}
