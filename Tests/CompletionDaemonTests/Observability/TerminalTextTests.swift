// What may reach a screen: names and messages with control characters and directional overrides spelled out,
// suggestions without them.

import Logging
import Synchronization
import Testing

@testable import CompletionDaemon

@Suite struct TerminalTextTests {
    private static let hostile = "a\u{1B}[2Jb\u{202E}c\u{2066}d\u{9B}e\u{7F}"

    @Test("Messages are one line and control nothing")
    func escapes() {
        #expect(
            TerminalText.escaped(Self.hostile + "\nf")
                == "a\\u{1b}[2Jb\\u{202e}c\\u{2066}d\\u{9b}e\\u{7f}\\u{a}f")
        #expect(TerminalText.escaped("größer\t日本 🙂") == "größer\t日本 🙂")
    }

    @Test("A suggestion loses them and keeps its lines")
    func cleansSuggestions() {
        let rules = StopRules(prefix: [], suffix: [], languageID: "python")
        let processor = PostProcessor(prefix: [], suffix: [], stopRules: rules)
        #expect(processor.process(Array("x = '\u{202E}y\u{1B}[1m'".utf8)) == "x = 'y[1m'")
        #expect(processor.process(Array("\u{202E}\u{2069}".utf8)) == nil)
    }

    @Test("The log escapes messages and metadata")
    func escapesLogs() {
        final class Sink: LogHandler, Sendable {
            let lines = Mutex<[String]>([])
            var metadata: Logger.Metadata {
                get { [:] }
                set {}
            }
            var logLevel: Logger.Level {
                get { .info }
                set {}
            }
            subscript(metadataKey key: String) -> Logger.Metadata.Value? {
                get { nil }
                set {}
            }
            func log(event: LogEvent) {
                lines.withLock {
                    $0.append("\(event.message) \(event.metadata?["path"].map { "\($0)" } ?? "")")
                }
            }
        }
        let sink = Sink()
        let logger = Logger(label: "test") { _ in EscapingLogHandler(sink) }
        logger.notice("a\u{1B}b", metadata: ["path": "c\u{202E}d"])
        #expect(sink.lines.withLock { $0 } == ["a\\u{1b}b c\\u{202e}d"])
    }
}
