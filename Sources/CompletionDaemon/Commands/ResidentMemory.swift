// How much memory this process has resident, as the kernel counts it.

enum ResidentMemory {
    /// Bytes: private, shared and mapped pages that are in memory now. Nil where /proc does not say.
    static func current() -> Int? {
        // smaps_rollup walks the page tables; the counters in /proc/self/status may lag by some pages per thread.
        value("Rss:", in: "/proc/self/smaps_rollup") ?? value("VmRSS:", in: "/proc/self/status")
    }

    /// The number of kB on the line that begins with `key`, in bytes.
    private static func value(_ key: String, in path: String) -> Int? {
        guard let bytes = try? SourceFile.readBytes(path) else { return nil }
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") where line.hasPrefix(key) {
            return line.split(separator: " ").compactMap { Int($0) }.first.map { $0 << 10 }
        }
        return nil
    }
}
