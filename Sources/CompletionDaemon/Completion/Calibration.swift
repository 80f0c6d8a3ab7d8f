// The prompt size that was found to suit this machine, kept from start to start: measuring takes a while, and a
// prompt of another size cannot use what is stored of the last one.

import SpecEngine

#if canImport(Glibc)
    import Glibc
#endif

/// Prompt sizes by model, CPU and threads, in a small text file. Any thread.
struct Calibration: Sendable {
    private static let maximumLineCount = 64

    /// Nil keeps nothing.
    let path: String?

    init(cacheDirectory: String?) {
        path = cacheDirectory.map { $0 + "/calibration" }
    }

    /// What decides the speed: the model file, the processor, what is used of it.
    static func key(of engine: InferenceEngine) -> String {
        var status = stat()
        let isThere = stat(engine.modelPath, &status) == 0
        let identity =
            isThere ? "\(status.st_dev):\(status.st_ino):\(status.st_size):\(status.st_mtim.tv_sec)" : "?"
        let cpu = MachineDescription.cpuName()
        return "\(identity)|\(cpu)|\(engine.instructionSet)|\(engine.threadCount)".replacing("\n", with: " ")
    }

    func tokenBudget(for key: String) -> Int? {
        for line in lines() where line.hasPrefix(key + "|") {
            guard let count = Int(line.dropFirst(key.count + 1)), PromptSizing.tokenCounts.contains(count)
            else { continue }
            return count
        }
        return nil
    }

    /// Keeps a size unless a larger one is known: a busy machine measures less than it can do, never more.
    func keep(_ tokenBudget: Int, for key: String) {
        guard let path, tokenBudget > self.tokenBudget(for: key) ?? 0 else { return }
        let lines = ["\(key)|\(tokenBudget)"] + lines().filter { !$0.hasPrefix(key + "|") }
        // What cannot be kept is measured again.
        try? AtomicFile.write(path, text: lines.prefix(Self.maximumLineCount).joined(separator: "\n") + "\n")
    }

    private func lines() -> [String] {
        guard let path, let bytes = try? SourceFile.readBytes(path), bytes.count <= 64 << 10 else {
            return []
        }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}
