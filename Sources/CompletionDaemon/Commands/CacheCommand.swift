// `foretoken cache`: what is kept on the disk of the prompts that were read, and taking it away.

import ArgumentParser
import RepoContext
import SpecEngine

struct CacheCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cache", abstract: "Show or remove what is kept on the disk for the next start.",
        subcommands: [List.self, Clear.self])

    private static func directory() throws(CommandError) -> String {
        guard let directory = UserDirectories.cache else {
            throw .file("there is no home directory", fix: "set HOME or XDG_CACHE_HOME")
        }
        return directory
    }

    fileprivate static func store() throws(CommandError) -> SnapshotStore {
        SnapshotStore(directory: try directory() + "/snapshots")
    }

    fileprivate static func weights() throws(CommandError) -> WeightsFolder {
        WeightsFolder(cacheDirectory: try directory())
    }

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the snapshots, the last used first.")

        @Flag(help: "Print one JSON object.")
        var json = false

        private struct Item: Encodable {
            let path: String
            let repository: String?
            let document: String?
            let tokens: Int
            let bytes: Int
            let lastUse: Int

            enum CodingKeys: String, CodingKey {
                case path, repository, document, tokens, bytes
                case lastUse = "last_use"
            }
        }

        private struct Weights: Encodable {
            let path: String
            let bytes: Int
            let lastUse: Int

            enum CodingKeys: String, CodingKey {
                case path, bytes
                case lastUse = "last_use"
            }
        }

        private struct Listing: Encodable {
            let snapshots: [Item]
            let weights: [Weights]
        }

        func run() throws {
            do {
                let items = try CacheCommand.store().entries().map { entry in
                    Item(
                        path: entry.path, repository: entry.origin?.rootPath,
                        document: entry.origin?.documentPath,
                        tokens: entry.tokenCount, bytes: entry.byteCount, lastUse: entry.lastUse)
                }
                let weights = try CacheCommand.weights().entries().map {
                    Weights(path: $0.path, bytes: $0.byteCount, lastUse: $0.lastUse)
                }
                if json {
                    JSONOutput.write(Listing(snapshots: items, weights: weights))
                } else {
                    FileDescriptorOutput.write(text(items) + text(weights), to: 1)
                }
            } catch {
                throw CommandError(error).report(asJSON: json)
            }
        }

        private func text(_ items: [Item]) -> String {
            let lines = items.map { item in
                let name = item.document.map { $0.isEmpty ? "(repository context)" : $0 } ?? "(damaged)"
                return
                    "\(megabytes(item.bytes))  \(item.tokens) tokens  \(item.repository ?? item.path)  \(name)\n"
            }
            let total = items.reduce(0) { $0 + $1.bytes }
            return lines.joined() + "\(megabytes(total))  in \(items.count) snapshots\n"
        }

        private func text(_ weights: [Weights]) -> String {
            weights.map { "\(megabytes($0.bytes))  packed weights  \($0.path)\n" }.joined()
        }

        private func megabytes(_ bytes: Int) -> String {
            let text = "\((Double(bytes) / 0x1p20 * 10).rounded() / 10) MiB"
            return String(repeating: " ", count: max(0, 11 - text.count)) + text
        }
    }

    struct Clear: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove the snapshots of a repository, or all.")

        @Option(help: ArgumentHelp("A folder in the repository. Default: here.", valueName: "dir"))
        var repo: String?

        @Flag(help: "Remove those of all repositories, and the packed weights.")
        var all = false

        func run() throws {
            do {
                guard !all || repo == nil else {
                    throw CommandError.usage(
                        "--repo and --all contradict each other", fix: "give one of them")
                }
                var removed = try CacheCommand.store().clear(rootPath: all ? nil : root())
                if all { removed += try CacheCommand.weights().clear() }
                FileDescriptorOutput.write(
                    "removed \((Double(removed) / 0x1p20 * 10).rounded() / 10) MiB\n", to: 1)
            } catch {
                throw CommandError(error).report(asJSON: false)
            }
        }

        /// The work tree of the folder, or the folder itself where there is none (any more).
        private func root() -> String {
            let path = SourceFile.absolutePath(repo ?? ".")
            let found = try? GitFolders.find(from: path)
            return found?.workTreePath ?? path
        }
    }
}
