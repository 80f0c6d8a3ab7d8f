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
        let names: [String] = ["OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "OPENBLAS_NUM_THREADS"]
        let variables: [String] = names.compactMap { name in
            getenv(name).map { "\(name)=\(String(cString: $0))" }
        }
        return MachineDescription(
            cpu: cpuName(), cores: EngineOptions.availableCoreCount, load: loads[0],
            openBLASCore: OpenBLAS.coreName,
            openBLASVariables: variables)
    }

    static func cpuName() -> String {
        guard let data = FileManager.default.contents(atPath: "/proc/cpuinfo") else { return "unknown CPU" }
        for line in String(decoding: data, as: UTF8.self).split(separator: "\n")
        where line.hasPrefix("model name") {
            if let colon = line.firstIndex(of: ":") {
                return String(line[line.index(after: colon)...].drop { $0 == " " })
            }
        }
        return "unknown CPU"
    }
}

struct BuildDescription: Encodable {
    let version: String
    let isa: String
    let threads: Int

    static func current(_ engine: InferenceEngine) -> BuildDescription {
        BuildDescription(
            version: ForetokenVersion.current, isa: engine.instructionSet.description,
            threads: engine.threadCount)
    }
}
