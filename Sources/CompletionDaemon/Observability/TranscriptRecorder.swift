// Writes a session as it happens, in the format of lsp-fixtures, so that a bug report can become a test. One
// JSON object per line: first what the session is ({"schema","client","root","compare"}), then each message
// with its time and side. Unless asked for, texts are blotted out: each character but blanks, line breaks and brackets
// becomes an x, so that positions stay what they were and a replay still makes sense. Names of files stay.

import FoundationEssentials
import Glibc
import Synchronization

/// Why a recording could not be started.
enum TranscriptError: Error, CustomStringConvertible {
    case cannotCreate(path: String, code: Int32)

    var description: String {
        switch self {
        case .cannotCreate(let path, let code):
            "cannot create the recording \(path) (\(String(cString: strerror(code)))): choose a new "
                + "file name in a folder that exists and is writable"
        }
    }
}

/// Appends messages to one file. Safe from any thread; lines appear in the order of the calls.
final class TranscriptRecorder: Sendable {
    /// Who sent a message.
    enum Side: String, Sendable {
        case client
        case server
    }

    /// The parts of responses that mean something from one run to the next.
    static let comparedFields = ["result.capabilities", "result.items", "error.code"]

    private struct Recording: Sendable {
        var hasHeader = false
        var isBroken = false
    }

    private let descriptor: Int32
    private let keepsContents: Bool
    private let recording = Mutex(Recording())
    private let start = ContinuousClock.now

    /// Creates a file of its own in a folder, which is made if need be; readable by its owner only.
    static func inFolder(_ folder: String, keepsContents: Bool) throws(TranscriptError) -> TranscriptRecorder {
        guard mkdir(folder, 0o700) == 0 || errno == EEXIST else {
            throw .cannotCreate(path: folder, code: errno)
        }
        var now = time(nil)
        var parts = tm()
        gmtime_r(&now, &parts)
        var name = [CChar](repeating: 0, count: 32)
        strftime(&name, name.count, "%Y%m%dT%H%M%SZ", &parts)
        let stamp = String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        return try TranscriptRecorder(
            path: "\(folder)/session-\(stamp)-\(getpid()).jsonl", keepsContents: keepsContents)
    }

    /// Creates the file, readable by its owner only; an existing file is never overwritten.
    ///
    /// - Parameter keepsContents: false blots out the texts of documents and suggestions.
    init(path: String, keepsContents: Bool = true) throws(TranscriptError) {
        self.keepsContents = keepsContents
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw .cannotCreate(path: path, code: errno) }
    }

    deinit {
        close(descriptor)
    }

    /// Records one body. The first one should be `initialize`, from which the header is taken. A full disk
    /// ends the recording, never the session.
    func record(_ body: [UInt8], from side: Side) {
        let elapsed = (ContinuousClock.now - start).components
        let milliseconds = elapsed.seconds * 1000 + elapsed.attoseconds / 1_000_000_000_000_000
        recording.withLock { recording in
            guard !recording.isBroken else { return }
            var lines: [UInt8] = []
            if !recording.hasHeader {
                recording.hasHeader = true
                lines += Self.header(firstBody: body)
            }
            // Line breaks between a message's tokens would break the line; inside strings they are escaped.
            let message = (keepsContents ? body : RecordedText.blottedOut(body)).map {
                $0 == 0x0A || $0 == 0x0D ? 0x20 : $0
            }
            lines += Array("{\"at_ms\":\(milliseconds),\"from\":\"\(side.rawValue)\",\"message\":".utf8)
            lines += message
            lines += Array("}\n".utf8)
            recording.isBroken = !Self.writeFully(lines, to: descriptor)
        }
    }

    private struct Header: Encodable {
        let schema = 1
        let client: String
        let root: String
        let compare: [String]
    }

    private struct Initialize: Decodable {
        let params: InitializeParams
    }

    private static func header(firstBody: [UInt8]) -> [UInt8] {
        // Not an initialize message: the recording is still worth having, with nothing known about its
        // client.
        let params = try? WireCoding.decode(Initialize.self, from: firstBody).params
        let root = params?.workspaceFolders?.first?.uri ?? params?.rootUri
        let header = Header(
            client: params?.clientInfo?.name ?? "unknown", root: root?.description ?? "",
            compare: comparedFields)
        // Strings always encode; an empty line would still leave a readable file.
        let line = (try? WireCoding.encode(header)) ?? []
        return line + [0x0A]
    }

    private static func writeFully(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        bytes.withUnsafeBytes { bytes in
            var written = 0
            while written < bytes.count {
                let count = write(descriptor, bytes.baseAddress! + written, bytes.count - written)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return false }
                written += count
            }
            return true
        }
    }
}

/// Records what passes on its way to the client.
struct RecordingSink: MessageSink {
    let base: any MessageSink
    let recorder: TranscriptRecorder

    var isOpen: Bool { base.isOpen }

    func send(_ body: [UInt8]) {
        recorder.record(body, from: .server)
        base.send(body)
    }
}
