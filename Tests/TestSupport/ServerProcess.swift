// A built server binary driven over pipes, as an editor drives it: own framing (not the daemon's), every wait
// with a limit, and the process's end collected. For the few tests that are about the binary itself.

package import Glibc
import Synchronization

/// What can go wrong around the process; what goes wrong inside shows in its messages.
package enum ServerProcessError: Error, CustomStringConvertible {
    case cannotStart(path: String, code: Int32)
    case inputClosed
    case noMessage(withinMilliseconds: Int32)
    case badFrame(String)

    package var description: String {
        switch self {
        case .cannotStart(let path, let code): "cannot start \(path): \(String(cString: strerror(code)))"
        case .inputClosed: "the server closed its input"
        case .noMessage(let limit): "the server sent nothing for \(limit) ms"
        case .badFrame(let header): "the server sent a frame without a length: \(header)"
        }
    }
}

/// One running server process. Used by one test at a time.
package final class ServerProcess: ReplayTarget {
    package let processID: pid_t
    private let input: Int32
    private let output: Int32
    private let timeoutMilliseconds: Int32
    private var buffer: [UInt8] = []
    private var isInputOpen = true
    private var isReaped = false

    /// Starts `path` with `arguments`. Standard error goes where the test's own goes. A server that says
    /// nothing for `timeoutMilliseconds` fails the wait; generous, because only a hang should ever reach it.
    package init(path: String, arguments: [String], timeoutMilliseconds: Int32 = 60_000) throws {
        signal(SIGPIPE, SIG_IGN)
        self.timeoutMilliseconds = timeoutMilliseconds
        var toServer: [Int32] = [0, 0]
        var fromServer: [Int32] = [0, 0]
        guard Self.makePipe(&toServer), Self.makePipe(&fromServer) else {
            throw ServerProcessError.cannotStart(path: path, code: errno)
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        posix_spawn_file_actions_adddup2(&actions, toServer[0], STDIN_FILENO)
        posix_spawn_file_actions_adddup2(&actions, fromServer[1], STDOUT_FILENO)
        var strings = ([path] + arguments).map { strdup($0) } + [nil]
        var process = pid_t()
        let code = Self.spawning.withLock { _ in
            posix_spawn(&process, path, &actions, nil, &strings, environ)
        }
        for string in strings { free(string) }
        posix_spawn_file_actions_destroy(&actions)
        close(toServer[0])
        close(fromServer[1])
        processID = process
        input = toServer[1]
        output = fromServer[0]
        guard code == 0 else {
            isReaped = true
            throw ServerProcessError.cannotStart(path: path, code: code)
        }
    }

    deinit {
        if isInputOpen { close(input) }
        close(output)
        if !isReaped {
            kill(processID, SIGKILL)
            var status: Int32 = 0
            waitpid(processID, &status, 0)
        }
    }

    /// Held while a descriptor exists that is not yet close-on-exec, and while a process is started:
    /// otherwise a server started by another test could inherit a pipe's end, which would then never close.
    private static let spawning = Mutex(())

    /// A pipe that no server started meanwhile inherits; false where there is none to be had.
    package static func makePipe(_ ends: inout [Int32]) -> Bool {
        spawning.withLock { _ in
            pipe(&ends) == 0 && fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0
                && fcntl(ends[1], F_SETFD, FD_CLOEXEC) == 0
        }
    }

    package func send(_ body: [UInt8]) throws {
        try sendRaw(Array("Content-Length: \(body.count)\r\n\r\n".utf8) + body)
    }

    /// Bytes as they are, for tests of what no client should send.
    package func sendRaw(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(input, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw ServerProcessError.inputClosed }
            rest = rest.dropFirst(count)
        }
    }

    package func receive() throws -> [UInt8]? {
        while true {
            if let body = try nextBody() { return body }
            var request = pollfd(fd: output, events: Int16(POLLIN), revents: 0)
            let ready = poll(&request, 1, timeoutMilliseconds)
            if ready < 0, errno == EINTR { continue }
            guard ready > 0 else {
                throw ServerProcessError.noMessage(withinMilliseconds: timeoutMilliseconds)
            }
            var chunk = [UInt8](repeating: 0, count: 65_536)
            let count = chunk.withUnsafeMutableBytes { read(output, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return nil }
            buffer += chunk[..<count]
        }
    }

    private func nextBody() throws -> [UInt8]? {
        let separator = Array("\r\n\r\n".utf8)
        guard buffer.count > separator.count,
            let headerEnd = (0...buffer.count - separator.count).first(where: {
                buffer[$0..<$0 + separator.count].elementsEqual(separator)
            })
        else { return nil }
        let header = String(decoding: buffer[..<headerEnd], as: UTF8.self)
        let prefix = "Content-Length: "
        guard header.hasPrefix(prefix), let byteCount = Int(header.dropFirst(prefix.count)) else {
            throw ServerProcessError.badFrame(header)
        }
        let start = headerEnd + separator.count
        guard buffer.count >= start + byteCount else { return nil }
        let body = Array(buffer[start..<start + byteCount])
        buffer.removeFirst(start + byteCount)
        return body
    }

    /// Ends the server's input, as an editor that goes away does.
    package func closeInput() {
        guard isInputOpen else { return }
        isInputOpen = false
        close(input)
    }

    /// Waits for the process to end; its exit code, or 128 plus the signal that ended it.
    package func waitForExit() -> Int32 {
        var status: Int32 = 0
        while waitpid(processID, &status, 0) < 0, errno == EINTR {}
        isReaped = true
        let signal = status & 0x7F
        return signal == 0 ? status >> 8 & 0xFF : 128 + signal
    }
}
