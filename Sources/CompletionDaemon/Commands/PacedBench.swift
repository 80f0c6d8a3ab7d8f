// `foretoken bench --paced NAME`: one measurement at a time, on demand, so that another program's can come in between.
// Says `ready` when the depth is in memory, then answers every line on standard input with the seconds that the
// measured passes took. Benchmarks/peers/driver.cpp speaks the same protocol for llama.cpp.

import SpecEngine

/// A measurement by name: `prompt_512@8192`, `decode_64@0`, `rows_4@2048`.
struct PacedBench {
    let work: TimedWork
    let depth: Int

    init(_ name: String) throws(CommandError) {
        let parts = name.split(separator: "@")
        let words = parts.first?.split(separator: "_") ?? []
        guard parts.count == 2, words.count == 2, let count = Int(words[1]), let depth = Int(parts[1]),
            count > 0, count < 1 << 20, depth >= 0, depth < 1 << 20
        else { throw Self.unknown(name) }
        switch words[0] {
        case "prompt": work = .prompt(count)
        case "decode": work = .decode(count)
        case "rows" where count <= EngineLimits.logitRowsPerPass: work = .rows(count)
        default: throw Self.unknown(name)
        }
        self.depth = depth
    }

    private static func unknown(_ name: String) -> CommandError {
        .usage(
            "--paced is '\(name)'",
            fix: "write prompt_N@DEPTH, decode_N@DEPTH, or rows_N@DEPTH with at most "
                + "\(EngineLimits.logitRowsPerPass) rows")
    }

    /// Tokens that are needed.
    var tokenCount: Int { depth + work.tokenCount }

    /// Until the input ends. Reading blocks this task's thread, which has nothing else to do.
    func run(_ engine: InferenceEngine, tokens: [TokenID]) async {
        let used = Array(tokens.prefix(tokenCount))
        _ = await engine.seconds(for: .rows(1), of: used, behind: depth)
        FileDescriptorOutput.write("ready \(Self.fingerprint(used))\n", to: 1)
        while readLine() != nil {
            let seconds = await engine.seconds(for: work, of: used, behind: depth)
            guard FileDescriptorOutput.write("\(seconds)\n", to: 1) else { return }
        }
    }

    /// FNV-1a over the token ids, by which two programs see that they read the same tokens.
    private static func fingerprint(_ tokens: [TokenID]) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for token in tokens {
            let value = UInt32(bitPattern: token.rawValue)
            for shift in stride(from: UInt32(0), to: 32, by: 8) {
                hash = (hash ^ UInt64(value >> shift & 0xff)) &* 0x100_0000_01b3
            }
        }
        let digits = String(hash, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }
}
