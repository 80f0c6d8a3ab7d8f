// The options that say what is kept between prompts, in memory and on the disk.

import ArgumentParser
import RepoContext
import SpecEngine

#if canImport(Glibc)
    import Glibc
#endif

struct CacheArguments: ParsableArguments {
    /// `on` or `off`.
    enum DiskCache: String, ExpressibleByArgument, CaseIterable {
        case on
        case off
    }

    @Option(
        help: ArgumentHelp(
            "Memory for prompts that were read, in MiB. Default: a quarter of all, at most 2048.",
            valueName: "mib"))
    var cacheSize: Int?

    @Option(
        help: ArgumentHelp(
            "on or off: keep what was read of prompts in the cache directory, for the next start.",
            valueName: "mode"))
    var diskCache = DiskCache.on

    private static let sizes = 16...1 << 20

    func check() throws(CommandError) {
        if let cacheSize, !Self.sizes.contains(cacheSize) {
            throw .usage(
                "--cache-size is \(cacheSize)",
                fix: "choose between \(Self.sizes.lowerBound) and \(Self.sizes.upperBound) MiB")
        }
    }

    var byteLimit: Int? { cacheSize.map { $0 << 20 } }

    var directory: String? { diskCache == .on ? UserDirectories.cache : nil }
}
